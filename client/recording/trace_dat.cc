#include "client/recording/trace_dat.h"

// libtracefs's header, which libtracecmd's includes for types alone, is no C++.
#define _TRACE_FS_H
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <trace-cmd/trace-cmd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "client/recording/raw_event_pipe.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

constexpr uint64_t kNsPerUs = 1000;
// A child that says nothing for so long will say nothing any more.
constexpr unsigned kPatience_s = 60;

// Fields of one event's form in the file.
struct EventForm {
  tep_event* event = nullptr;
  RawKind kind = RawKind::kOther;
  std::vector<std::pair<RawField, tep_format_field*>> fields;
  tep_format_field* gfp_flags = nullptr;
  tep_format_field* text = nullptr;
  tep_format_field* caller = nullptr;
};

// Sends the events that libtracecmd reads.
class TraceDatReader {
 public:
  explicit TraceDatReader(RawEventSender& sender) : sender_(sender) { trace_seq_init(&printed_); }
  ~TraceDatReader() { trace_seq_destroy(&printed_); }
  TraceDatReader(const TraceDatReader&) = delete;
  TraceDatReader& operator=(const TraceDatReader&) = delete;

  // The record has its CPU; `place` numbers the CPUs of every instance through.
  static int Take(tracecmd_input* input, tep_record* record, int /*place*/, void* self) {
    return static_cast<TraceDatReader*>(self)->Send(tracecmd_get_tep(input), record) ? 0 : -1;
  }

 private:
  // Whether the field lies in the record: the file says where, the record how large it is.
  static bool Holds(const tep_record* record, const tep_format_field* field) {
    return field->offset >= 0 && field->size >= 0 && field->offset <= record->size &&
           field->size <= record->size - field->offset;
  }

  bool Send(tep_handle* tep, tep_record* record) {
    PipeMessage message;
    RawEvent& event = message.event;
    event.place = ++records_;
    event.cpu = static_cast<uint32_t>(record->cpu);
    event.time_us = (record->ts + kNsPerUs / 2) / kNsPerUs;  // as the kernel rounds in text
    if (record->missed_events != 0) {
      PipeMessage lost = {.type = PipeMessage::Type::kLost};
      lost.event.cpu = event.cpu;
      lost.lost = record->missed_events > 0 ? static_cast<uint64_t>(record->missed_events) : 0;
      if (!sender_.Send(lost)) return false;
    }
    const EventForm& form = FormOf(tep, tep_data_type(tep, record));
    event.kind = form.kind;
    const int pid = tep_data_pid(tep, record);
    const char* const comm = tep_data_comm_from_pid(tep, pid);
    event.comm = comm == nullptr ? "" : comm;
    for (const auto& [field, place] : form.fields) {
      unsigned long long value = 0;
      if (Holds(record, place) && tep_read_number_field(place, record->data, &value) == 0) {
        event.Put(field, value);
      }
    }
    if (form.gfp_flags != nullptr) event.gfp_flags = GfpFlags(tep, form, record);
    if (form.kind == RawKind::kMark && !TakeMark(tep, form, record, event)) event.kind = RawKind::kOther;
    return sender_.Send(message) && (form.kind != RawKind::kStack || SendStack(tep, form, record));
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
    if (!Holds(record, form.gfp_flags) || tep_read_number_field(form.gfp_flags, record->data, &value) != 0) {
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
    if (form.text == nullptr || form.caller == nullptr || !Holds(record, form.caller)) return false;
    if (form.text->offset < 0 || form.text->offset >= record->size) return false;
    unsigned long long address = 0;
    if (tep_read_number_field(form.caller, record->data, &address) != 0) return false;
    const char* const function = tep_find_function(tep, address);
    if (function == nullptr || std::string_view(function) != "tracing_mark_write") return false;
    const char* const text = static_cast<const char*>(record->data) + form.text->offset;
    event.text = {text, strnlen(text, static_cast<size_t>(record->size - form.text->offset))};
    while (event.text.ends_with('\n')) event.text.remove_suffix(1);
    return true;
  }

  bool SendStack(tep_handle* tep, const EventForm& form, tep_record* record) {
    if (form.text == nullptr || form.text->offset < 0) return true;
    for (int at = form.text->offset; at <= record->size - 8; at += 8) {
      uint64_t address = 0;
      std::memcpy(&address, static_cast<const char*>(record->data) + at, sizeof(address));
      if (address == ~uint64_t{0}) break;
      const char* const function = tep_find_function(tep, address);
      if (function == nullptr) continue;
      PipeMessage message = {.type = PipeMessage::Type::kFunction};
      message.event.text = function;
      if (!sender_.Send(message)) return false;
    }
    return true;
  }

  RawEventSender& sender_;
  int64_t records_ = 0;
  trace_seq printed_;
  absl::flat_hash_map<std::pair<tep_handle*, int>, EventForm> forms_;
  absl::flat_hash_map<std::pair<tep_handle*, unsigned long long>, std::string> gfp_names_;
};

// Sends every event of the file; false if it cannot be read to its end. Closes `fd`.
bool ReadTraceDat(int fd, RawEventSender& sender) {
  using Input = std::unique_ptr<tracecmd_input, decltype(&tracecmd_close)>;
  tracecmd_set_loglevel(TEP_LOG_NONE);
  const Input input(tracecmd_open_fd(fd, TRACECMD_FL_LOAD_NO_PLUGINS), &tracecmd_close);
  if (input == nullptr) return false;
  std::vector<Input> instances;
  std::vector<tracecmd_input*> all = {input.get()};
  for (int i = 0; i < tracecmd_buffer_instances(input.get()); ++i) {
    instances.emplace_back(tracecmd_buffer_instance_handle(input.get(), i), &tracecmd_close);
    if (instances.back() == nullptr) return false;
    all.push_back(instances.back().get());
  }
  TraceDatReader reader(sender);
  return tracecmd_iterate_events_multi(all.data(), static_cast<int>(all.size()), &TraceDatReader::Take, &reader) >= 0;
}

// The child: reads, sends, and dies without a word if that goes wrong.
[[noreturn]] void RunChild(int fd, int to_parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const rlimit no_core = {};
  setrlimit(RLIMIT_CORE, &no_core);
  for (const int number : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM, SIGPIPE}) signal(number, SIG_DFL);
  const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (null >= 0) {
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
  }
  RawEventSender sender(to_parent, kPatience_s);
  const bool whole = ReadTraceDat(fd, sender);
  sender.Send({.type = whole ? PipeMessage::Type::kEnd : PipeMessage::Type::kBroken});
  sender.Flush();
  _exit(0);
}

// Gives the child's events to the builder until it ends; false if it did not read the file to its end.
absl::StatusOr<bool> TakeEvents(RawEventReceiver& receiver, EventBuilder& builder) {
  while (true) {
    const std::optional<PipeMessage> message = receiver.Next();
    if (!message.has_value()) return false;
    switch (message->type) {
      case PipeMessage::Type::kEvent:
        RETURN_IF_ERROR(builder.Add(message->event));
        break;
      case PipeMessage::Type::kFunction:
        builder.AddStackFunction(message->event.text);
        break;
      case PipeMessage::Type::kLost:
        RETURN_IF_ERROR(builder.AddLost(message->lost, message->event.cpu));
        break;
      case PipeMessage::Type::kEnd:
        return true;
      case PipeMessage::Type::kBroken:
        return false;
    }
  }
}

}  // namespace

bool LooksLikeTraceDat(std::string_view head) { return head.starts_with("\x17\x08\x44tracing"); }

absl::Status ImportTraceDat(int fd, const std::string& name, EventBuilder& builder) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return absl::UnavailableError(absl::StrCat("pipe: ", std::strerror(errno)));
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    RunChild(fd, ends[1]);
  }
  close(ends[1]);
  if (child < 0) {
    close(ends[0]);
    return absl::UnavailableError(absl::StrCat("fork: ", std::strerror(errno)));
  }
  RawEventReceiver receiver(ends[0]);
  const absl::StatusOr<bool> whole = TakeEvents(receiver, builder);
  close(ends[0]);
  if (!whole.ok()) kill(child, SIGKILL);
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (!whole.ok()) return whole.status();
  if (*whole) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(name, ": libtracecmd cannot read it as a whole trace.dat; copy it again, or record it again"));
}

}  // namespace dmfrag::client
