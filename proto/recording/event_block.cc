#include "proto/recording/event_block.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace dmfrag::recording {
namespace {

enum Column : size_t { kKinds, kCpus, kDetails, kTimes, kFrames, kValues, kColumns };

constexpr uint8_t kOrderOf1G = 18;
constexpr uint8_t kWrittenOrderOf1G = 15;
constexpr uint64_t kMaxFrame = uint64_t{1} << 40;
constexpr unsigned kMaxVarintBits = 64;

bool HasValue(Event::Kind kind) {
  switch (kind) {
    case Event::Kind::kAllocate:
    case Event::Kind::kFree:
    case Event::Kind::kCompactTake:
    case Event::Kind::kCompactBack:
    case Event::Kind::kPerCpuDrain:
    case Event::Kind::kMark:
      return false;
    default:
      return true;
  }
}

uint64_t ZigZag(uint64_t difference) {
  return (difference << 1) ^ static_cast<uint64_t>(static_cast<int64_t>(difference) >> 63);
}
uint64_t UnZigZag(uint64_t value) { return (value >> 1) ^ (~(value & 1) + 1); }

void AppendVarint(uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

// Reads varints off a column; once it has run out or met a damaged one, zeros.
class VarintReader {
 public:
  explicit VarintReader(std::string_view column = {})
      : at_(reinterpret_cast<const uint8_t*>(column.data())), end_(at_ + column.size()) {}

  uint64_t Next() {
    if (at_ != end_ && *at_ < 0x80) return *at_++;  // most of them
    return NextLong();
  }
  bool failed() const { return failed_; }
  bool AtEnd() const { return at_ == end_; }
  std::string_view Take(uint64_t bytes) {
    if (bytes > static_cast<uint64_t>(end_ - at_)) {
      failed_ = true;
      return {};
    }
    const std::string_view taken(reinterpret_cast<const char*>(at_), bytes);
    at_ += bytes;
    return taken;
  }

 private:
  uint64_t NextLong() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < kMaxVarintBits; shift += 7) {
      if (at_ == end_) break;
      const uint8_t byte = *at_++;
      value |= uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    failed_ = true;
    return 0;
  }

  const uint8_t* at_;
  const uint8_t* end_;
  bool failed_ = false;
};

absl::Status Damaged() { return absl::InvalidArgumentError("a block of events makes no sense; the file is damaged"); }

// False: nothing that a kernel could have said.
bool IsSound(const Event& event) { return static_cast<uint8_t>(event.kind) < Event::kKinds && event.frame < kMaxFrame; }

}  // namespace

std::string EncodeBlock(std::span<const Event> events) {
  std::array<std::string, kColumns> columns;
  uint64_t time_us = 0;
  uint64_t frame = 0;
  for (const Event& event : events) {
    const uint8_t order = event.order == kOrderOf1G ? kWrittenOrderOf1G : event.order;
    columns[kKinds].push_back(static_cast<char>(static_cast<uint8_t>(event.kind) | (order << 4)));
    AppendVarint(event.cpu, columns[kCpus]);
    AppendVarint(event.detail, columns[kDetails]);
    AppendVarint(event.time_us - time_us, columns[kTimes]);
    AppendVarint(ZigZag(event.frame - frame), columns[kFrames]);
    if (HasValue(event.kind)) AppendVarint(event.value, columns[kValues]);
    time_us = event.time_us;
    frame = event.frame;
  }
  std::string block;
  AppendVarint(events.size(), block);
  for (const std::string& column : columns) {
    AppendVarint(column.size(), block);
    block.append(column);
  }
  return block;
}

absl::Status DecodeBlock(std::string_view block, std::vector<Event>& events) {
  VarintReader whole(block);
  const uint64_t count = whole.Next();
  std::array<VarintReader, kColumns> columns;
  std::string_view kinds;
  for (size_t column = 0; column < kColumns; ++column) {
    const std::string_view bytes = whole.Take(whole.Next());
    columns[column] = VarintReader(bytes);
    if (column == kKinds) kinds = bytes;
  }
  if (whole.failed() || !whole.AtEnd() || count == 0 || count > kMaxBlockEvents || kinds.size() != count)
    return Damaged();
  events.resize(count);
  uint64_t time_us = 0;
  uint64_t frame = 0;
  bool is_sound = true;
  for (size_t i = 0; i < count; ++i) {
    Event& event = events[i];
    const auto kind = static_cast<uint8_t>(kinds[i]);
    event.kind = static_cast<Event::Kind>(kind & 0x0F);
    event.order = (kind >> 4) == kWrittenOrderOf1G ? kOrderOf1G : kind >> 4;
    event.cpu = static_cast<uint16_t>(columns[kCpus].Next());
    event.detail = static_cast<uint32_t>(columns[kDetails].Next());
    event.time_us = time_us + columns[kTimes].Next();
    is_sound &= event.time_us >= time_us;
    time_us = event.time_us;
    event.frame = frame += UnZigZag(columns[kFrames].Next());
    event.value = HasValue(event.kind) ? columns[kValues].Next() : 0;
    is_sound &= IsSound(event);
  }
  const auto is_whole = [](const VarintReader& column) { return !column.failed() && column.AtEnd(); };
  if (!is_sound || !std::all_of(columns.begin() + kCpus, columns.end(), is_whole)) return Damaged();
  return absl::OkStatus();
}

}  // namespace dmfrag::recording
