#include "client/recording/trace_line.h"

#include <charconv>
#include <cstring>
#include <system_error>

namespace dmfrag::client {
namespace {

constexpr std::string_view kBlanks = " \t";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::string_view SkipBlanks(std::string_view text) {
  size_t at = 0;
  while (at < text.size() && (text[at] == ' ' || text[at] == '\t')) ++at;
  return text.substr(at);
}

std::string_view TrimRight(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Takes digits off the front of `text`; false if there is none, or they are beyond `T`.
template <typename T>
bool TakeDigits(std::string_view& text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

// Takes "12.345678:" (or with nanoseconds) off the front of `text`.
bool TakeTime(std::string_view& text, uint64_t& time_us) {
  std::string_view rest = text;
  uint64_t seconds = 0;
  if (rest.empty() || !IsDigit(rest[0]) || !TakeDigits(rest, seconds) || !rest.starts_with('.')) return false;
  rest.remove_prefix(1);
  const size_t before = rest.size();
  uint64_t fraction = 0;
  if (rest.empty() || !IsDigit(rest[0]) || !TakeDigits(rest, fraction) || !rest.starts_with(':')) return false;
  const size_t digits = before - rest.size();
  if ((digits != 6 && digits != 9) || seconds > (uint64_t{1} << 40)) return false;
  time_us = seconds * 1'000'000 + (digits == 6 ? fraction : fraction / 1000);
  rest.remove_prefix(1);
  text = rest;
  return true;
}

// "comm-pid", "comm-pid (tgid)", "comm pid" or "comm pid/tid", with blanks around: the name alone.
std::optional<std::string_view> CommOf(std::string_view task) {
  task = TrimRight(SkipBlanks(task));
  if (task.ends_with(')')) {
    const size_t open = task.rfind('(');
    if (open == std::string_view::npos) return std::nullopt;
    task = TrimRight(task.substr(0, open));
  }
  const size_t digits = task.size();
  while (!task.empty() && IsDigit(task.back())) task.remove_suffix(1);
  if (task.size() == digits || task.empty()) return std::nullopt;
  if (task.back() == '/') {
    task.remove_suffix(1);
    while (!task.empty() && IsDigit(task.back())) task.remove_suffix(1);
    if (task.empty()) return std::nullopt;
  }
  if (task.back() != '-' && task.back() != ' ' && task.back() != '\t') return std::nullopt;
  const bool padded = task.back() == '-';
  task.remove_suffix(1);
  task = TrimRight(task);
  // trace-cmd puts the buffer instance before a name that it pads with blanks: "himp:             bash-7009".
  const size_t blank = task.find_first_of(kBlanks);
  if (padded && blank != std::string_view::npos && blank > 0 && task[blank - 1] == ':') {
    task = SkipBlanks(task.substr(blank));
  }
  return task;
}

// Behind the time: "(+156)" or a period may stand before the event's name.
bool TakeName(LineFrame& frame, std::string_view text) {
  text = SkipBlanks(text);
  for (int passed = 0; passed < 2; ++passed) {
    const size_t end = text.find(' ');
    const std::string_view token = text.substr(0, end);
    const bool between =
        !token.empty() && (token.starts_with("(+") || token.find_first_not_of("0123456789") == token.npos);
    if (!between || end == std::string_view::npos) break;
    text = SkipBlanks(text.substr(end));
  }
  if (text.starts_with("PERF_RECORD_") || text.starts_with("<stack trace")) {
    frame.rest = text;
    return true;
  }
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  std::string_view name = text.substr(0, colon);
  std::string_view rest = text.substr(colon + 1);
  if (!rest.empty() && rest[0] != ' ' && rest[0] != '\t') {  // the system's name
    const size_t second = rest.find(':');
    if (second == std::string_view::npos) return false;
    name = rest.substr(0, second);
    rest = rest.substr(second + 1);
    frame.has_system = true;
  }
  if (name.find_first_of(kBlanks) != std::string_view::npos) return false;
  frame.name = name;
  frame.rest = SkipBlanks(rest);
  return true;
}

// `line` with a CPU in brackets at `open`, then perhaps flags, then the time.
bool ParseFromCpu(std::string_view line, size_t open, LineFrame& frame) {
  std::string_view text = line.substr(open + 1);
  if (!TakeDigits(text, frame.cpu) || !text.starts_with("] ")) return false;
  text = SkipBlanks(text.substr(1));
  if (!TakeTime(text, frame.time_us)) {
    const size_t end = text.find(' ');
    if (end == std::string_view::npos) return false;
    text = SkipBlanks(text.substr(end));
    if (!TakeTime(text, frame.time_us)) return false;
  }
  const std::optional<std::string_view> comm = CommOf(line.substr(0, open));
  if (!comm.has_value()) return false;
  frame.comm = *comm;
  frame.has_cpu = true;
  return TakeName(frame, text);
}

// Without a CPU in brackets: the latency form ("bash-7009    1..... 65585.069152: "), or perf's of one task.
bool ParseWithoutCpu(std::string_view line, LineFrame& frame) {
  for (size_t dot = line.find('.'); dot != std::string_view::npos; dot = line.find('.', dot + 1)) {
    size_t start = dot;
    while (start > 0 && IsDigit(line[start - 1])) --start;
    if (start == dot || start == 0 || kBlanks.find(line[start - 1]) == std::string_view::npos) continue;
    std::string_view text = line.substr(start);
    if (!TakeTime(text, frame.time_us)) continue;
    std::string_view task = TrimRight(line.substr(0, start));
    const size_t flags = task.find_last_of(kBlanks);
    if (flags != std::string_view::npos && task.find('.', flags) != std::string_view::npos) {
      std::string_view cpu = task.substr(flags + 1);
      if (!TakeDigits(cpu, frame.cpu)) return false;
      frame.has_cpu = true;
      task = task.substr(0, flags);
    }
    const std::optional<std::string_view> comm = CommOf(task);
    if (!comm.has_value()) return false;
    frame.comm = *comm;
    return TakeName(frame, text);
  }
  return false;
}

std::optional<RawField> FieldOf(std::string_view name) {
  if (name == "nr") return RawField::kPages;
  for (size_t i = 0; i < kRawFields; ++i) {
    if (kRawFieldNames[i] == name) return static_cast<RawField>(i);
  }
  return std::nullopt;
}

}  // namespace

std::optional<LineFrame> ParseFrame(std::string_view line) {
  // A task's name may hold a bracket: the first that the rest fits is taken.
  bool bracket = false;
  for (size_t open = line.find('['); open != std::string_view::npos; open = line.find('[', open + 1)) {
    LineFrame frame;
    bracket = true;
    if (ParseFromCpu(line, open, frame)) return frame;
  }
  LineFrame frame;
  if ((!bracket || line.find("] ") == std::string_view::npos) && ParseWithoutCpu(line, frame)) return frame;
  return std::nullopt;
}

std::optional<uint64_t> ParseNumber(std::string_view text) {
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    text.remove_prefix(2);
    base = 16;
  }
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool ParseFields(std::string_view rest, RawEvent& event) {
  // A hashed pointer of these events says nothing.
  const bool page_is_hashed =
      event.kind == RawKind::kPageAlloc || event.kind == RawKind::kPageFree || event.kind == RawKind::kPcpuDrain;
  while (!rest.empty()) {
    const size_t end = rest.find(' ');
    const std::string_view token = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    const size_t equals = token.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = token.substr(0, equals);
    const std::string_view value = token.substr(equals + 1);
    if (name == "gfp_flags") {
      event.gfp_flags = value;
      continue;
    }
    if (page_is_hashed && name == "page") continue;
    const std::optional<RawField> field = FieldOf(name);
    if (!field.has_value()) continue;
    const std::optional<uint64_t> number = ParseNumber(value);
    if (!number.has_value()) return false;
    event.Put(*field, *number);
  }
  return true;
}

std::optional<std::string_view> ParseStackLine(std::string_view line) {
  std::string_view text = SkipBlanks(line);
  if (text.starts_with("=> ")) {
    text = SkipBlanks(text.substr(3));
    if (text.starts_with('<')) return std::string_view();  // an address in user space
  } else {
    if (text.size() == line.size()) return std::nullopt;
    uint64_t address = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), address, 16);
    const size_t length = static_cast<size_t>(end - text.data());
    if (error != std::errc() || length == text.size() || text[length] != ' ') return std::nullopt;
    text = text.substr(length + 1);
    if (text.empty() || text.back() != ')') return std::nullopt;
    if ((address >> 63) == 0 || text.starts_with('[')) return std::string_view();
  }
  return text.substr(0, text.find_first_of("+ /"));
}

}  // namespace dmfrag::client
