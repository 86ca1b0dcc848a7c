#include "client/recording/trace_dat.h"

#include <trace-cmd/trace-cmd.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

namespace dmfrag::client {
namespace {

constexpr uint64_t kNsPerUs = 1000;

// Fields of one event's form in the file.
struct EventForm {
  tep_event* event = nullptr;
  RawKind kind = RawKind::kOther;
  std::vector<std::pair<RawField, tep_format_field*>> fields;
  tep_format_field* gfp_flags = nullptr;
  tep_format_field* text = nullptr;
  tep_format_field* caller = nullptr;
};

class TraceDatImport {
 public:
  explicit TraceDatImport(EventBuilder& builder) : builder_(builder) { trace_seq_init(&printed_); }
  ~TraceDatImport() { trace_seq_destroy(&printed_); }
  TraceDatImport(const TraceDatImport&) = delete;
  TraceDatImport& operator=(const TraceDatImport&) = delete;

  // The record has its CPU; `place` numbers the CPUs of every instance through.
  static int Take(tracecmd_input* input, tep_record* record, int /*place*/, void* self) {
    auto* const import = static_cast<TraceDatImport*>(self);
    import->status_ = import->Add(tracecmd_get_tep(input), record);
    return import->status_.ok() ? 0 : -1;
  }

  const absl::Status& status() const { return status_; }

 private:
  absl::Status Add(tep_handle* tep, tep_record* record) {
    RawEvent event;
    event.place = ++records_;
    event.cpu = static_cast<uint32_t>(record->cpu);
    event.time_us = (record->ts + kNsPerUs / 2) / kNsPerUs;  // as the kernel rounds in text
    if (record->missed_events != 0) {
      const absl::Status lost =
          builder_.AddLost(record->missed_events > 0 ? static_cast<uint64_t>(record->missed_events) : 0, event.cpu);
      if (!lost.ok()) return lost;
    }
    const EventForm& form = FormOf(tep, tep_data_type(tep, record));
    event.kind = form.kind;
    const int pid = tep_data_pid(tep, record);
    const char* const comm = tep_data_comm_from_pid(tep, pid);
    event.comm = comm == nullptr ? "" : comm;
    for (const auto& [field, place] : form.fields) {
      unsigned long long value = 0;
      if (place->offset + place->size <= record->size && tep_read_number_field(place, record->data, &value) == 0) {
        event.Put(field, value);
      }
    }
    if (form.gfp_flags != nullptr) event.gfp_flags = GfpFlags(tep, form, record);
    if (form.kind == RawKind::kMark && !TakeMark(tep, form, record, event)) event.kind = RawKind::kOther;
    const absl::Status added = builder_.Add(event);
    if (added.ok() && form.kind == RawKind::kStack) AddStack(tep, form, record);
    return added;
  }

  const EventForm& FormOf(tep_handle* tep, int id) {
    const auto [place, fresh] = forms_.try_emplace(std::pair(tep, id));
    EventForm& form = place->second;
    if (!fresh) return form;
    form.event = tep_find_event(tep, id);
    if (form.event == nullptr || form.event->name == nullptr) return form;
    const std::string_view name = form.event->name;
    form.kind = name == "print" ? RawKind::kMark : KindOfEvent(name);
    for (tep_format_field* field = form.event->format.fields; field != nullptr; field = field->next) {
      const std::string_view field_name = field->name;
      if (field_name == "gfp_flags" && form.kind == RawKind::kPageAlloc) form.gfp_flags = field;
      if (field_name == "buf" || field_name == "caller") form.text = field;
      if (field_name == "ip") form.caller = field;
      for (size_t i = 0; i < kRawFields; ++i) {
        if (kRawFieldNames[i] == field_name) form.fields.emplace_back(static_cast<RawField>(i), field);
      }
      if (field_name == "nr") form.fields.emplace_back(RawField::kPages, field);
    }
    return form;
  }

  // As the kernel prints them, by the form in the file.
  std::string_view GfpFlags(tep_handle* tep, const EventForm& form, tep_record* record) {
    unsigned long long value = 0;
    if (form.gfp_flags->offset + form.gfp_flags->size > record->size ||
        tep_read_number_field(form.gfp_flags, record->data, &value) != 0) {
      return {};
    }
    const auto [place, fresh] = gfp_names_.try_emplace(std::pair(tep, value));
    if (!fresh) return place->second;
    trace_seq_reset(&printed_);
    tep_print_event(tep, &printed_, record, "%s", TEP_PRINT_INFO);
    const std::string_view text(printed_.buffer, printed_.len);
    constexpr std::string_view kName = "gfp_flags=";
    const size_t at = text.find(kName);
    if (at != std::string_view::npos) {
      const std::string_view names = text.substr(at + kName.size());
      place->second = names.substr(0, names.find_first_of(" \n"));
    }
    return place->second;
  }

  // False if it was printed by the kernel, not written to trace_marker.
  bool TakeMark(tep_handle* tep, const EventForm& form, tep_record* record, RawEvent& event) {
    if (form.text == nullptr || form.caller == nullptr || form.text->offset >= record->size) return false;
    unsigned long long address = 0;
    if (tep_read_number_field(form.caller, record->data, &address) != 0) return false;
    const char* const function = tep_find_function(tep, address);
    if (function == nullptr || std::string_view(function) != "tracing_mark_write") return false;
    const char* const text = static_cast<const char*>(record->data) + form.text->offset;
    event.text = {text, strnlen(text, static_cast<size_t>(record->size - form.text->offset))};
    while (event.text.ends_with('\n')) event.text.remove_suffix(1);
    return true;
  }

  void AddStack(tep_handle* tep, const EventForm& form, tep_record* record) {
    if (form.text == nullptr) return;
    for (int at = form.text->offset; at + 8 <= record->size; at += 8) {
      uint64_t address = 0;
      std::memcpy(&address, static_cast<const char*>(record->data) + at, sizeof(address));
      if (address == ~uint64_t{0}) return;
      const char* const function = tep_find_function(tep, address);
      if (function != nullptr) builder_.AddStackFunction(function);
    }
  }

  EventBuilder& builder_;
  absl::Status status_;
  int64_t records_ = 0;
  trace_seq printed_;
  absl::flat_hash_map<std::pair<tep_handle*, int>, EventForm> forms_;
  absl::flat_hash_map<std::pair<tep_handle*, unsigned long long>, std::string> gfp_names_;
};

}  // namespace

bool LooksLikeTraceDat(std::string_view head) { return head.starts_with("\x17\x08\x44tracing"); }

absl::Status ImportTraceDat(int fd, const std::string& name, EventBuilder& builder) {
  const absl::Status broken = absl::DataLossError(
      absl::StrCat(name, ": libtracecmd cannot read it as a whole trace.dat; copy it again, or record it again"));
  tracecmd_set_loglevel(TEP_LOG_NONE);
  const int own = dup(fd);  // tracecmd_close closes it
  if (own < 0) return absl::UnavailableError(absl::StrCat(name, ": ", std::strerror(errno)));
  const std::unique_ptr<tracecmd_input, decltype(&tracecmd_close)> input(
      tracecmd_open_fd(own, TRACECMD_FL_LOAD_NO_PLUGINS), &tracecmd_close);
  if (input == nullptr) return broken;
  std::vector<std::unique_ptr<tracecmd_input, decltype(&tracecmd_close)>> instances;
  std::vector<tracecmd_input*> all = {input.get()};
  for (int i = 0; i < tracecmd_buffer_instances(input.get()); ++i) {
    instances.emplace_back(tracecmd_buffer_instance_handle(input.get(), i), &tracecmd_close);
    if (instances.back() == nullptr) return broken;
    all.push_back(instances.back().get());
  }
  TraceDatImport import(builder);
  const int result =
      tracecmd_iterate_events_multi(all.data(), static_cast<int>(all.size()), &TraceDatImport::Take, &import);
  if (!import.status().ok()) return import.status();
  return result < 0 ? broken : absl::OkStatus();
}

}  // namespace dmfrag::client
