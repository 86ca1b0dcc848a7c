#include "worker/experiment/frames_in_use.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace dmfrag::experiment {
namespace {

using model::FrameNumber;
using model::Order;

// The aligned block of `frames` within [first, end) that lies nearest to `wanted`.
std::optional<uint64_t> NearestIn(uint64_t first, uint64_t end, uint64_t wanted, uint64_t frames) {
  const uint64_t lowest = (first + frames - 1) / frames * frames;
  if (lowest + frames > end) return std::nullopt;
  const uint64_t highest = (end - frames) / frames * frames;
  return std::clamp(wanted / frames * frames, lowest, highest);
}

}  // namespace

FramesInUse::FramesInUse(const model::MemoryMap& memory, const model::AllocatorSnapshot& allocator) {
  for (const model::FrameRange& range : memory.ranges()) stretches_.emplace(range.first.raw(), range.end.raw());
  const auto remove = [&](const model::BlockList& list) {
    for (const FrameNumber block : list.blocks) Remove(block.raw(), (block + list.order.frames()).raw());
  };
  for (const model::ZoneSnapshot& zone : allocator.zones) {
    for (const model::BlockList& list : zone.free) remove(list);
    for (const model::PerCpuSnapshot& cpu : zone.per_cpu) {
      for (const model::BlockList& list : cpu.lists) remove(list);
    }
  }
}

std::optional<FrameNumber> FramesInUse::TakeNearest(FrameNumber wanted, Order order) {
  const uint64_t frames = order.frames().raw();
  const auto distance = [&](uint64_t block) {
    const uint64_t at = wanted.raw() / frames * frames;
    return block < at ? at - block : block - at;
  };
  auto above = stretches_.upper_bound(wanted.raw());
  auto below = above;
  std::optional<uint64_t> low;
  while (!low.has_value() && below != stretches_.begin()) {
    --below;
    low = NearestIn(below->first, below->second, wanted.raw(), frames);
  }
  std::optional<uint64_t> high;
  while (!high.has_value() && above != stretches_.end()) {
    if (low.has_value() && distance(above->first) >= distance(*low)) break;
    high = NearestIn(above->first, above->second, wanted.raw(), frames);
    ++above;
  }
  if (!low.has_value() && !high.has_value()) return std::nullopt;
  const bool is_low = low.has_value() && (!high.has_value() || distance(*low) <= distance(*high));
  const uint64_t block = is_low ? *low : *high;
  Remove(block, block + frames);
  return FrameNumber(block);
}

void FramesInUse::Remove(uint64_t first, uint64_t end) {
  auto stretch = stretches_.upper_bound(first);
  if (stretch != stretches_.begin() && std::prev(stretch)->second > first) --stretch;
  while (stretch != stretches_.end() && stretch->first < end) {
    const auto [old_first, old_end] = *stretch;
    stretch = stretches_.erase(stretch);
    if (old_first < first) stretches_.emplace(old_first, first);
    if (old_end > end) stretches_.emplace(end, old_end);
  }
}

}  // namespace dmfrag::experiment
