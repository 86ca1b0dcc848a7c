#include "worker/workload/ftrace_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::workload {
namespace {

using Kind = TraceEvent::Kind;

constexpr uint64_t kMaxFrame = uint64_t{1} << 35;
constexpr uint64_t kPageStructBytes = 64;  // sizeof(struct page), by which vmemmap is indexed

absl::Status Wrong(uint64_t line, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("trace, line ", line, ": ", std::string(what)));
}

// Takes a number off the front: hexadecimal after 0x, else decimal. False: there is none of 64 bits.
bool TakeNumber(std::string_view& text, uint64_t* value) {
  int base = 10;
  if (text.starts_with("0x")) {
    text.remove_prefix(2);
    base = 16;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value, base);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

// Value of `key`, which ends with '=', in "a=1 b=2".
bool Field(std::string_view fields, std::string_view key, uint64_t* value) {
  for (size_t at = fields.find(key); at != std::string_view::npos; at = fields.find(key, at + 1)) {
    if (at != 0 && fields[at - 1] != ' ') continue;
    fields.remove_prefix(at + key.size());
    return TakeNumber(fields, value);
  }
  return false;
}

// What stands before an event's fields: "comm-pid [cpu] flags seconds.micros: name: fields".
struct Framed {
  std::string_view task;
  uint32_t cpu = 0;
  uint64_t time_us = 0;
  std::string_view name;
  std::string_view fields;
};

bool TakeSeparator(std::string_view& text, std::string_view separator) {
  if (!text.starts_with(separator)) return false;
  text.remove_prefix(separator.size());
  return true;
}

std::string_view Trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

// False: the line is no event's.
bool ParseFrame(std::string_view line, Framed* framed) {
  // A task's name may hold brackets and blanks; the processor's number has three digits or more.
  uint64_t cpu = 0;
  size_t at = 0;
  for (;; ++at) {
    at = line.find('[', at);
    if (at == std::string_view::npos) return false;
    std::string_view rest = line.substr(at + 1);
    const size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    if (at > 0 && line[at - 1] == ' ' && digits >= 3 && TakeNumber(rest, &cpu) && TakeSeparator(rest, "] ")) {
      framed->task = line.substr(0, at);
      line = rest;
      break;
    }
  }
  framed->cpu = static_cast<uint32_t>(cpu);
  const size_t colon = line.find(": ");
  if (colon == std::string_view::npos) return false;
  const size_t blank = line.rfind(' ', colon);
  std::string_view time = line.substr(blank + 1, colon - blank - 1);  // npos + 1 is 0
  uint64_t seconds = 0;
  uint64_t micros = 0;
  if (!TakeNumber(time, &seconds) || !TakeSeparator(time, ".") || time.size() != 6 || !TakeNumber(time, &micros)) {
    return false;
  }
  framed->time_us = seconds * 1'000'000 + micros;
  line.remove_prefix(colon + 2);
  const size_t end_of_name = line.find(": ");
  if (end_of_name == std::string_view::npos) return false;
  framed->name = line.substr(0, end_of_name);
  framed->fields = line.substr(end_of_name + 2);
  return true;
}

std::optional<Kind> KindOf(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, Kind>, 6> kKinds = {
      {{"mm_page_free", Kind::kFree},
       {"mm_page_alloc", Kind::kAllocate},
       {"mm_page_pcpu_drain", Kind::kPerCpuDrain},
       {"bulk_ret", Kind::kBulkAllocate},
       {"compact_take", Kind::kCompactTake},
       {"compact_back", Kind::kCompactBack}}};
  for (const auto& [known, kind] : kKinds) {
    if (known == name) return kind;
  }
  return std::nullopt;
}

// A mark of the recorder; false: of somebody else, or without meaning here.
bool ParseMark(std::string_view mark, TraceEvent* event) {
  if (!TakeSeparator(mark, "dmprobe: ")) return false;
  if (TakeSeparator(mark, "freelist snapshot ")) {
    event->kind = Kind::kFreeListDump;
    return TakeNumber(mark, &event->number);
  }
  if (!TakeSeparator(mark, "step ") || !TakeNumber(mark, &event->number)) return false;
  event->kind = TakeSeparator(mark, " begin") ? Kind::kStepBegin : Kind::kStepEnd;
  TakeSeparator(mark, " ");
  event->text = mark;
  return event->kind == Kind::kStepBegin || mark == "end";
}

absl::Status ParseBlock(std::string_view fields, TraceEvent* event) {
  uint64_t frame = 0;
  uint64_t order = 0;
  if (!Field(fields, "pfn=", &frame) || !Field(fields, "order=", &order)) {
    return Wrong(event->line, "no pfn= or order=; the trace is damaged, or of a kernel before 3.19");
  }
  if (frame >= kMaxFrame || order > model::kMaxOrder.raw()) {
    return Wrong(event->line, absl::StrCat("frame ", frame, " of order ", order, " is beyond 128 TiB or order 10"));
  }
  event->frame = model::FrameNumber(frame);
  event->order = model::Order(static_cast<unsigned>(order));
  return absl::OkStatus();
}

absl::Status ParseAllocation(std::string_view fields, TraceEvent* event) {
  RETURN_IF_ERROR(ParseBlock(fields, event));
  uint64_t type = 0;
  if (!Field(fields, "migratetype=", &type) || type >= model::kMigratetypes) {
    return Wrong(event->line, "no migratetype= of 0, 1 or 2");
  }
  event->type = static_cast<model::Migratetype>(type);
  return absl::OkStatus();
}

// compact_*: the page's descriptor and where the array of them starts.
absl::Status ParseDescriptor(std::string_view fields, TraceEvent* event) {
  uint64_t page = 0;
  uint64_t base = 0;
  if (!Field(fields, "page=", &page) || !Field(fields, "vmb=", &base)) return Wrong(event->line, "no page= or vmb=");
  const uint64_t frame = (page - base) / kPageStructBytes;
  if (page != 0 && (page < base || frame >= kMaxFrame)) return Wrong(event->line, "page= lies outside of vmemmap");
  event->frame = model::FrameNumber(page == 0 ? 0 : frame);
  return absl::OkStatus();
}

absl::Status ParseFields(std::string_view fields, TraceEvent* event) {
  switch (event->kind) {
    case Kind::kAllocate:
      return ParseAllocation(fields, event);
    case Kind::kFree:
    case Kind::kPerCpuDrain:
      return ParseBlock(fields, event);
    case Kind::kCompactTake:
    case Kind::kCompactBack:
      return ParseDescriptor(fields, event);
    default:
      return Field(fields, "n=", &event->number) ? absl::OkStatus() : Wrong(event->line, "no n=");
  }
}

// "# entries-in-buffer/entries-written: 33111/33111   #P:1"
absl::Status CheckHeader(uint64_t line, std::string_view comment) {
  constexpr std::string_view kEntries = "entries-in-buffer/entries-written: ";
  const size_t at = comment.find(kEntries);
  if (at == std::string_view::npos) return absl::OkStatus();
  comment.remove_prefix(at + kEntries.size());
  uint64_t kept = 0;
  uint64_t written = 0;
  if (!TakeNumber(comment, &kept) || !TakeSeparator(comment, "/") || !TakeNumber(comment, &written)) {
    return Wrong(line, "the header's counts of entries are damaged");
  }
  if (kept == written) return absl::OkStatus();
  return Wrong(line, absl::StrCat("the kernel lost ", written - kept, " of ", written,
                                  " events; record again with a larger buffer_size_kb"));
}

bool NothingTaken(const TraceEvent& event) {
  return (event.kind == Kind::kAllocate || event.kind == Kind::kCompactTake) && event.frame == model::FrameNumber(0);
}

}  // namespace

absl::StatusOr<std::optional<TraceEvent>> FtraceReader::Next() {
  while (!rest_.empty()) {
    const std::string_view line = rest_.substr(0, rest_.find('\n'));
    rest_.remove_prefix(std::min(line.size() + 1, rest_.size()));
    ++line_;
    if (line.starts_with('#')) {
      RETURN_IF_ERROR(CheckHeader(line_, line));
      continue;
    }
    Framed framed;
    if (!ParseFrame(line, &framed)) {
      if (line.find_first_not_of(' ') == std::string_view::npos || line.starts_with("CPU:")) continue;
      return Wrong(line_, "no event: expected \"task-pid [cpu] flags seconds.micros: event: fields\"");
    }
    TraceEvent event;
    event.line = line_;
    event.cpu = framed.cpu;
    event.time_us = framed.time_us;
    if (framed.name == "tracing_mark_write") {
      if (ParseMark(framed.fields, &event)) return event;
      continue;
    }
    const std::optional<Kind> kind = KindOf(framed.name);
    if (!kind.has_value()) continue;
    event.kind = *kind;
    event.task = Trimmed(framed.task);
    RETURN_IF_ERROR(ParseFields(framed.fields, &event));
    if (!NothingTaken(event)) return event;
  }
  return std::nullopt;
}

}  // namespace dmfrag::workload
