#include "client/capture/event_decoder.h"

#include <event-parse.h>
#include <trace-seq.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/status_macros.h"

// libtraceevent 1.7 does not say itself that this part of it is C.
extern "C" {
#include <kbuffer.h>
}

namespace dmfrag::client {
namespace {

using recording::Event;

// sizeof(struct page) of x86-64 kernels with default configurations; the kernel asserts that it is a multiple of 8, and
// CONFIG_HAVE_ALIGNED_STRUCT_PAGE makes it 64.
constexpr uint64_t kStructPageBytes = 64;
constexpr int kPageShift = 12;
// The direct map's largest extent: Documentation/arch/x86/x86_64/mm.rst, 64 TiB with four levels, 32 PiB with five.
constexpr uint64_t kDirectMapBytes4Level = uint64_t{64} << 40;
constexpr uint64_t kDirectMapBytes5Level = uint64_t{32} << 50;
constexpr uint64_t kLowest4LevelBase = 0xffff'8000'0000'0000;
// enum cpa_flags, arch/x86/mm/pat/set_memory.c: CPA_ARRAY and CPA_PAGES_ARRAY.
constexpr uint32_t kCpaArrays = 0x6;
// What mm_page_alloc logs for a request that found nothing.
constexpr uint64_t kNoFrame = ~uint64_t{0};

// Where a field lies in a record.
struct Field {
  int offset = -1;
  int size = 0;
  bool is_dynamic = false;
};

// What a record of one number of event means.
struct Layout {
  enum class Meaning {
    kPage,
    kBulk,
    kPageStruct,
    kValid,
    kChange,
    kFork,
    kRename,
    kStack,
  };
  Meaning meaning = Meaning::kPage;
  Event::Kind kind = Event::Kind::kAllocate;
  std::vector<Field> fields;  // in the order of kKnown
};

struct KnownEvent {
  std::string_view name;
  Layout::Meaning meaning;
  Event::Kind kind;
  std::vector<const char*> fields;
};

const std::vector<KnownEvent>& KnownEvents() {
  using M = Layout::Meaning;
  using K = Event::Kind;
  static const auto& known = *new std::vector<KnownEvent>{
      {"mm_page_alloc", M::kPage, K::kAllocate, {"pfn", "order", "gfp_flags", "migratetype"}},
      {"mm_page_free", M::kPage, K::kFree, {"pfn", "order"}},
      {"mm_page_pcpu_drain", M::kPage, K::kPerCpuDrain, {"pfn", "order"}},
      {"bulk_ret", M::kBulk, K::kBulkAllocate, {"n"}},
      {"compact_take", M::kPageStruct, K::kCompactTake, {"page", "vmb"}},
      {"compact_back", M::kPageStruct, K::kCompactBack, {"page", "vmb"}},
      {"sdm_invalid", M::kPageStruct, K::kSetInvalid, {"page", "vmb"}},
      {"sdm_default", M::kPageStruct, K::kSetDefault, {"page", "vmb"}},
      {"sdm_valid", M::kValid, K::kSetInvalid, {"page", "vmb", "nr", "valid"}},
      {"cpa", M::kChange, K::kChangeAttributes, {"vaddr", "pob", "n", "set", "clr", "fl", "force"}},
      {"sched_process_fork", M::kFork, K::kMark, {"child_pid", "child_comm"}},
      {"task_rename", M::kRename, K::kMark, {"pid", "newcomm"}},
      {"kernel_stack", M::kStack, K::kMark, {"caller"}},
  };
  return known;
}

uint64_t ReadNumber(std::string_view record, const Field& field) {
  uint64_t value = 0;
  const size_t size = std::min<size_t>(static_cast<size_t>(field.size), sizeof(value));
  const auto offset = static_cast<size_t>(field.offset);
  if (offset + size <= record.size()) std::memcpy(&value, record.data() + offset, size);
  return value;
}

std::string ReadText(std::string_view record, Field field) {
  auto offset = static_cast<size_t>(field.offset);
  auto size = static_cast<size_t>(field.size);
  if (field.is_dynamic) {
    // A word: length in its upper half, place in its lower.
    const uint64_t word = ReadNumber(record, field);
    offset = word & 0xffff;
    size = word >> 16 & 0xffff;
  }
  if (offset >= record.size()) return "";
  const std::string_view text = record.substr(offset, size);
  return std::string(text.substr(0, text.find('\0')));
}

uint64_t FrameOfPage(uint64_t page, uint64_t vmemmap) { return (page - vmemmap) / kStructPageBytes; }

bool InDirectMap(uint64_t address, uint64_t base) {
  const uint64_t extent = base < kLowest4LevelBase ? kDirectMapBytes5Level : kDirectMapBytes4Level;
  return address >= base && address - base < extent;
}

struct TepDeleter {
  void operator()(tep_handle* handle) const { tep_free(handle); }
};
struct KbufferDeleter {
  void operator()(kbuffer* buffer) const { kbuffer_free(buffer); }
};

}  // namespace

struct EventDecoder::State {
  std::unique_ptr<tep_handle, TepDeleter> tep;
  std::unique_ptr<kbuffer, KbufferDeleter> buffer;
  // Owned by `tep`; null if it is not among the formats.
  tep_event* allocation = nullptr;
  Field gfp;
  Field pid;
  absl::flat_hash_map<int, Layout> layouts;
  absl::flat_hash_map<uint64_t, std::string> gfp_texts;

  absl::Status AddFormat(const EventFormat& format);
  bool Fill(const Layout& layout, std::string_view bytes, TraceRecord& record) const;
  bool FillChange(const Layout& layout, std::string_view bytes, TraceRecord& record) const;
  std::string PrintGfp(uint64_t value) const;
};

absl::Status EventDecoder::State::AddFormat(const EventFormat& format) {
  tep_event* event = nullptr;
  if (tep_parse_format(tep.get(), &event, format.text.data(), format.text.size(), format.system.c_str()) != 0 ||
      event == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("the kernel's format of an event of ", format.system,
                                                   " cannot be read: ", format.text.substr(0, format.text.find('\n'))));
  }
  for (const KnownEvent& known : KnownEvents()) {
    if (known.name != event->name) continue;
    Layout layout{.meaning = known.meaning, .kind = known.kind, .fields = {}};
    for (const char* name : known.fields) {
      const tep_format_field* field = tep_find_any_field(event, name);
      if (field == nullptr) {
        return absl::InvalidArgumentError(absl::StrCat("the kernel's event ", event->name, " has no field ", name,
                                                       "; this kernel is not known to dmfrag"));
      }
      layout.fields.push_back(
          {.offset = field->offset, .size = field->size, .is_dynamic = (field->flags & TEP_FIELD_IS_DYNAMIC) != 0});
    }
    if (known.kind == Event::Kind::kAllocate) {
      allocation = event;
      gfp = layout.fields[2];
    }
    const tep_format_field* common_pid = tep_find_common_field(event, "common_pid");
    if (common_pid != nullptr) pid = {.offset = common_pid->offset, .size = common_pid->size};
    layouts[event->id] = std::move(layout);
  }
  return absl::OkStatus();
}

bool EventDecoder::State::FillChange(const Layout& layout, std::string_view bytes, TraceRecord& record) const {
  const auto number = [&](size_t field) { return ReadNumber(bytes, layout.fields[field]); };
  const uint64_t address = number(0);
  const uint64_t base = number(1);
  record.cpa_flags = static_cast<uint32_t>(number(5));
  if ((record.cpa_flags & kCpaArrays) != 0) {
    record.what = TraceRecord::What::kArrayChange;
  } else if (!InDirectMap(address, base)) {
    record.what = TraceRecord::What::kOtherMapping;
  } else {
    record.event.frame = (address - base) >> kPageShift;
    record.event.value = number(2);
    record.set = number(3);
    record.clear = number(4);
    record.force_split = (number(6) & 1) != 0;
  }
  return true;
}

// False: nothing to record.
bool EventDecoder::State::Fill(const Layout& layout, std::string_view bytes, TraceRecord& record) const {
  const auto number = [&](size_t field) { return ReadNumber(bytes, layout.fields[field]); };
  record.event.kind = layout.kind;
  switch (layout.meaning) {
    case Layout::Meaning::kPage:
      record.event.frame = number(0);
      record.event.order = static_cast<uint8_t>(number(1));
      if (layout.kind != Event::Kind::kAllocate) return true;
      record.gfp = number(2);
      record.migratetype = static_cast<uint8_t>(number(3));
      return record.event.frame != kNoFrame;
    case Layout::Meaning::kBulk:
      record.event.value = number(0);
      return record.event.value != 0;
    case Layout::Meaning::kPageStruct:
      // compaction_alloc returns null when it found nothing.
      if (number(0) == 0) return false;
      record.event.frame = FrameOfPage(number(0), number(1));
      record.event.value = 1;
      return true;
    case Layout::Meaning::kValid:
      record.event.frame = FrameOfPage(number(0), number(1));
      record.event.value = number(2);
      if (number(3) != 0) record.event.kind = Event::Kind::kSetDefault;
      return true;
    case Layout::Meaning::kChange:
      return FillChange(layout, bytes, record);
    case Layout::Meaning::kFork:
    case Layout::Meaning::kRename:
      record.what = TraceRecord::What::kTaskName;
      record.pid = static_cast<int32_t>(number(0));
      record.name = ReadText(bytes, layout.fields[1]);
      return true;
    case Layout::Meaning::kStack: {
      record.what = TraceRecord::What::kStack;
      // Longer or shorter than the format declares: up to the record's end.
      for (auto at = static_cast<size_t>(layout.fields[0].offset); at + sizeof(uint64_t) <= bytes.size();
           at += sizeof(uint64_t)) {
        const uint64_t address = ReadNumber(bytes, {.offset = static_cast<int>(at), .size = sizeof(uint64_t)});
        if (address == 0 || address == ~uint64_t{0}) break;
        record.stack.push_back(address);
      }
      return true;
    }
  }
  return false;
}

std::string EventDecoder::State::PrintGfp(uint64_t value) const {
  if (allocation == nullptr) return "";
  std::vector<char> bytes(static_cast<size_t>(gfp.offset + gfp.size) + sizeof(uint64_t), 0);
  std::memcpy(bytes.data(), &allocation->id, sizeof(uint16_t));
  std::memcpy(bytes.data() + gfp.offset, &value, std::min<size_t>(static_cast<size_t>(gfp.size), sizeof(value)));
  tep_record record = {};
  record.data = bytes.data();
  record.size = static_cast<int>(bytes.size());
  trace_seq text;
  trace_seq_init(&text);
  tep_print_event(tep.get(), &text, &record, "%s", TEP_PRINT_INFO);
  trace_seq_terminate(&text);
  const std::string printed = text.buffer;
  trace_seq_destroy(&text);
  constexpr std::string_view kKey = "gfp_flags=";
  const size_t at = printed.find(kKey);
  // A kernel whose text cannot be evaluated: the bits, as the kernel prints flags without a name.
  return at == std::string::npos ? absl::StrCat("0x", absl::Hex(value)) : printed.substr(at + kKey.size());
}

EventDecoder::EventDecoder(std::unique_ptr<State> state) : state_(std::move(state)) {}
EventDecoder::~EventDecoder() = default;

absl::StatusOr<std::unique_ptr<EventDecoder>> EventDecoder::Create(const std::vector<EventFormat>& formats) {
  auto state = std::make_unique<State>();
  // What it says of formats it cannot print is told by AddFormat.
  tep_set_loglevel(TEP_LOG_NONE);
  state->tep.reset(tep_alloc());
  state->buffer.reset(kbuffer_alloc(KBUFFER_LSIZE_8, KBUFFER_ENDIAN_LITTLE));
  if (state->tep == nullptr || state->buffer == nullptr) return absl::ResourceExhaustedError("no memory for formats");
  for (const EventFormat& format : formats) RETURN_IF_ERROR(state->AddFormat(format));
  return std::unique_ptr<EventDecoder>(new EventDecoder(std::move(state)));
}

absl::Status EventDecoder::DecodePage(uint16_t cpu, std::span<std::byte> page, std::vector<TraceRecord>& records) {
  // A time stamp and the length of what follows, whose upper bits tell of dropped records.
  constexpr size_t kHeaderBytes = 16;
  constexpr uint64_t kLengthMask = (uint64_t{1} << 30) - 1;
  uint64_t commit = 0;
  if (page.size() >= kHeaderBytes) std::memcpy(&commit, page.data() + sizeof(uint64_t), sizeof(commit));
  kbuffer* buffer = state_->buffer.get();
  if (page.size() < kHeaderBytes || (commit & kLengthMask) > page.size() - kHeaderBytes ||
      kbuffer_load_subbuffer(buffer, page.data()) != 0) {
    return absl::DataLossError(absl::StrCat("a page of ", page.size(), " bytes of CPU ", cpu, "'s trace is damaged"));
  }
  const int missed = kbuffer_missed_events(buffer);
  unsigned long long time_ns = 0;
  void* data = kbuffer_read_event(buffer, &time_ns);
  if (missed != 0) {
    TraceRecord& lost = records.emplace_back();
    lost.time_ns = time_ns;
    lost.event.kind = Event::Kind::kLost;
    lost.event.cpu = cpu;
    lost.event.value = missed > 0 ? static_cast<uint64_t>(missed) : 0;
  }
  for (; data != nullptr; data = kbuffer_next_event(buffer, &time_ns)) {
    const std::string_view bytes(static_cast<const char*>(data), static_cast<size_t>(kbuffer_event_size(buffer)));
    uint16_t number = 0;
    if (bytes.size() < sizeof(number)) continue;
    std::memcpy(&number, bytes.data(), sizeof(number));
    const auto layout = state_->layouts.find(number);
    if (layout == state_->layouts.end()) continue;
    TraceRecord& record = records.emplace_back();
    record.time_ns = time_ns;
    record.event.cpu = cpu;
    record.pid = static_cast<int32_t>(ReadNumber(bytes, state_->pid));
    if (!state_->Fill(layout->second, bytes, record)) records.pop_back();
  }
  return absl::OkStatus();
}

const std::string& EventDecoder::GfpText(uint64_t gfp) {
  const auto [place, is_new] = state_->gfp_texts.try_emplace(gfp);
  if (is_new) place->second = state_->PrintGfp(gfp);
  return place->second;
}

}  // namespace dmfrag::client
