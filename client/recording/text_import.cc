#include "client/recording/text_import.h"

#include <charconv>
#include <optional>

#include "absl/strings/str_cat.h"
#include "client/recording/trace_line.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

constexpr char kUnknownLines[] = "lines of no known form";

// The first number in `text`; 0 if there is none or it is beyond 64 bits.
uint64_t FirstNumber(std::string_view text) {
  const size_t at = text.find_first_of("0123456789");
  if (at == std::string_view::npos) return 0;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), value);
  return error == std::errc() ? value : 0;
}

// "CPU:3 [LOST 123 EVENTS]", "CPU:3 [123 EVENTS DROPPED]" and both without a number.
std::optional<std::pair<uint32_t, uint64_t>> LostOf(std::string_view line) {
  const size_t cpu = line.find("CPU:");
  const size_t open = line.find('[');
  if (cpu == std::string_view::npos || open == std::string_view::npos || open < cpu) return std::nullopt;
  const std::string_view what = line.substr(open);
  if (what.find("EVENTS") == what.npos || (what.find("LOST") == what.npos && what.find("DROPPED") == what.npos)) {
    return std::nullopt;
  }
  return std::pair(static_cast<uint32_t>(FirstNumber(line.substr(cpu, open - cpu))), FirstNumber(what));
}

class TextImport {
 public:
  TextImport(LineReader& lines, EventBuilder& builder) : lines_(lines), builder_(builder) {}

  absl::Status Run() {
    while (true) {
      absl::StatusOr<std::optional<std::string_view>> line = lines_.Next();
      if (!line.ok() || !line->has_value()) {
        if (lines_.too_long() > 0) builder_.Skip("lines longer than 64 KiB", lines_.too_long());
        return line.status();
      }
      RETURN_IF_ERROR(Take(**line));
    }
  }

 private:
  absl::Status Take(std::string_view line) {
    if (line.empty()) return absl::OkStatus();
    if (line[0] == '#') return TakeHeader(line);
    const std::optional<LineFrame> frame = ParseFrame(line);
    if (frame.has_value()) return TakeEvent(*frame);
    if (const auto function = ParseStackLine(line); function.has_value()) {
      builder_.AddStackFunction(*function);
      return absl::OkStatus();
    }
    if (const auto lost = LostOf(line); lost.has_value()) return builder_.AddLost(lost->second, lost->first);
    if (line.find_first_not_of(" \t") == line.npos || line.starts_with("cpus=") || line.starts_with("version = ") ||
        (line.starts_with("CPU ") && line.ends_with(" is empty"))) {
      return absl::OkStatus();
    }
    if (!unknown_) {
      builder_.Limit(absl::StrCat("line ", lines_.line(), " is the first of no known form"));
    }
    unknown_ = true;
    builder_.Skip(kUnknownLines);
    return absl::OkStatus();
  }

  // "# entries-in-buffer/entries-written: 33809/33809   #P:1": fewer in the buffer were overwritten.
  absl::Status TakeHeader(std::string_view line) {
    constexpr std::string_view kEntries = "entries-in-buffer/entries-written:";
    const size_t at = line.find(kEntries);
    if (at == std::string_view::npos) return absl::OkStatus();
    const std::string_view counts = line.substr(at + kEntries.size());
    const size_t slash = counts.find('/');
    if (slash == std::string_view::npos) return absl::OkStatus();
    const uint64_t held = FirstNumber(counts.substr(0, slash));
    const uint64_t written = FirstNumber(counts.substr(slash));
    if (written <= held) return absl::OkStatus();
    builder_.Limit(absl::StrCat("the kernel's buffer was overwritten before it was read: the first ", written - held,
                                " events are lost; record with a larger buffer_size_kb"));
    lost_before_ = written - held;
    return absl::OkStatus();
  }

  absl::Status TakeEvent(const LineFrame& frame) {
    RawEvent event;
    event.cpu = frame.cpu;
    event.time_us = frame.time_us;
    event.place = lines_.line();
    event.comm = frame.comm;
    if (frame.name.empty()) return TakeNameless(frame, event);
    event.kind = KindOfEvent(frame.name);
    if (frame.name == "print") {
      constexpr std::string_view kMark = "tracing_mark_write: ";
      if (!frame.rest.starts_with(kMark)) return builder_.Add(event);
      event.kind = RawKind::kMark;
      event.text = frame.rest.substr(kMark.size());
    } else if (event.kind == RawKind::kMark) {
      event.text = frame.rest;
    } else if (event.kind != RawKind::kOther && !ParseFields(frame.rest, event)) {
      event.present = 0;  // counted as one with a missing field
    }
    if (!frame.has_cpu && !without_cpu_) {
      without_cpu_ = true;
      builder_.Limit("events name no CPU: all stand for CPU 0; record with perf record -a");
    }
    RETURN_IF_ERROR(builder_.Add(event));
    if (lost_before_ == 0) return absl::OkStatus();
    const uint64_t lost = lost_before_;
    lost_before_ = 0;
    return builder_.AddLost(lost, 0);
  }

  absl::Status TakeNameless(const LineFrame& frame, RawEvent& event) {
    if (frame.rest.starts_with("PERF_RECORD_LOST")) return builder_.AddLost(FirstNumber(frame.rest), frame.cpu);
    event.kind = frame.rest.starts_with("<stack trace") ? RawKind::kStack : RawKind::kOther;
    return builder_.Add(event);
  }

  LineReader& lines_;
  EventBuilder& builder_;
  bool unknown_ = false;
  bool without_cpu_ = false;
  uint64_t lost_before_ = 0;
};

}  // namespace

TextForm DetectTextForm(std::string_view head) {
  TextForm form{.source = head.starts_with("cpus=") || head.starts_with("version = ") ? "trace-cmd report" : "ftrace"};
  bool told = form.source != "ftrace" || head.starts_with("# tracer");
  while (!head.empty()) {
    const size_t end = head.find('\n');
    std::string_view line = head.substr(0, end);
    head = end == std::string_view::npos ? std::string_view() : head.substr(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line[0] == '#' || line.size() > LineReader::kMaxLine) continue;
    const std::optional<LineFrame> frame = ParseFrame(line);
    if (frame.has_value() && !std::exchange(told, true) && frame->has_system) form.source = "perf script";
    if (!frame.has_value() && ParseStackLine(line).has_value()) {
      form.with_stacks = true;
      return form;
    }
  }
  return form;
}

absl::Status ImportText(LineReader& lines, EventBuilder& builder) { return TextImport(lines, builder).Run(); }

}  // namespace dmfrag::client
