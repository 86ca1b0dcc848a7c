#include "worker/model/memory_map.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace dmfrag::model {
namespace {

constexpr uint64_t kKib = 1024;
constexpr uint64_t kGib = kKib * kKib * kKib;

}  // namespace

absl::StatusOr<MemoryMap> MemoryMap::FromUsableRanges(const std::vector<ByteRange>& ranges) {
  std::vector<FrameRange> frames;
  uint64_t last_end = 0;
  for (size_t i = 0; i < ranges.size(); ++i) {
    const ByteRange& range = ranges[i];
    if (range.end <= range.start || range.start < last_end || range.end > kMaxAddressBytes) {
      return absl::InvalidArgumentError(absl::StrCat(
          "memory range ", i, " [", range.start, ", ", range.end,
          ") bytes: ranges must be ascending, disjoint, not empty, and end at or below 128 TiB; mend that range"));
    }
    last_end = range.end;
    const FrameRange cut{FrameNumber((range.start + kFrameBytes - 1) / kFrameBytes),
                         FrameNumber(range.end / kFrameBytes)};
    if (cut.empty()) continue;
    if (!frames.empty() && frames.back().end == cut.first) {
      frames.back().end = cut.end;
    } else {
      frames.push_back(cut);
    }
  }
  if (frames.empty()) {
    return absl::InvalidArgumentError(
        "the memory map has no whole 4 KiB page of usable memory; give at least one range");
  }
  return MemoryMap(std::move(frames));
}

absl::StatusOr<MemoryMap> MemoryMap::Pc(uint64_t memory_bytes) {
  if (memory_bytes % kFrameBytes != 0 || memory_bytes < 2 * kKib * kKib || memory_bytes > 64 * kKib * kGib) {
    return absl::InvalidArgumentError(
        absl::StrCat("memory size of ", memory_bytes, " bytes: give a multiple of 4 KiB from 2 MiB to 64 TiB"));
  }
  std::vector<ByteRange> ranges = {{0, 640 * kKib}, {1024 * kKib, std::min(memory_bytes, 3 * kGib)}};
  if (memory_bytes > 3 * kGib) ranges.push_back({4 * kGib, memory_bytes + kGib});
  return FromUsableRanges(ranges);
}

FrameCount MemoryMap::total() const {
  FrameCount total;
  for (const FrameRange& range : ranges_) total += range.count();
  return total;
}

bool MemoryMap::Covers(FrameRange range) const {
  auto after = std::upper_bound(ranges_.begin(), ranges_.end(), range.first,
                                [](FrameNumber frame, const FrameRange& r) { return frame < r.first; });
  return after != ranges_.begin() && range.end <= std::prev(after)->end;
}

}  // namespace dmfrag::model
