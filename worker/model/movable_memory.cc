#include "worker/model/movable_memory.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace dmfrag::model {
namespace {

// First frame of the machine's highest zone: Normal, DMA32 or DMA.
FrameNumber HighestZone(const MemoryMap& memory) {
  constexpr FrameNumber kNormal(1 << 20);
  constexpr FrameNumber kDma32(4096);
  return memory.end() > kNormal ? kNormal : memory.end() > kDma32 ? kDma32 : FrameNumber(0);
}

std::vector<FrameRange> MemoryOf(FrameRange node, const MemoryMap& memory) {
  std::vector<FrameRange> parts;
  for (const FrameRange& range : memory.ranges()) {
    const FrameRange part{std::max(range.first, node.first), std::min(range.end, node.end)};
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

// Where the last `frames` of these ranges begin.
FrameNumber FirstOfLast(const std::vector<FrameRange>& ranges, FrameCount frames) {
  for (auto range = ranges.rbegin(); range != ranges.rend(); ++range) {
    if (frames <= range->count()) return FrameNumber(range->end.raw() - frames.raw());
    frames -= range->count();
  }
  return ranges.front().first;
}

FrameNumber FirstMovable(FrameRange node, const MemoryMap& memory, uint32_t per_mille) {
  const std::vector<FrameRange> ranges = MemoryOf(node, memory);
  FrameCount total;
  for (const FrameRange& range : ranges) total += range.count();
  const FrameCount share(total.raw() * per_mille / 1000);
  if (share.raw() == 0) return node.end;
  return std::max(FirstOfLast(ranges, share), HighestZone(memory)).AlignedUp(kMaxOrder.frames());
}

}  // namespace

FrameRange MovableMemory::AddedTo(const MemoryMap& memory, FrameCount hotplugged) {
  const FrameNumber first = std::max(memory.end().AlignedUp(kSection), kLowestAdded);
  return {first, first + hotplugged};
}

absl::StatusOr<MovableMemory> MovableMemory::Of(const MemoryMap& memory, const NumaTopology& topology,
                                                uint32_t per_mille, FrameCount hotplugged) {
  MovableMemory movable;
  if (per_mille > kMaxPerMille) {
    return absl::InvalidArgumentError(absl::StrCat("machine with ", per_mille,
                                                   " thousandths of its memory in ZONE_MOVABLE: give 0 to ",
                                                   kMaxPerMille, ", since the kernel's own memory lies elsewhere"));
  }
  for (uint32_t node = 0; per_mille > 0 && node < topology.nodes(); ++node) {
    movable.first_frames.push_back(FirstMovable(topology.RangeOf(node), memory, per_mille));
  }
  if (hotplugged.raw() == 0) return movable;
  constexpr uint64_t kMaxFrames = MemoryMap::kMaxAddressBytes / kFrameBytes;
  if (hotplugged.raw() % kSection.raw() != 0 || hotplugged.raw() > kMaxFrames ||
      AddedTo(memory, hotplugged).end.raw() > kMaxFrames) {
    return absl::InvalidArgumentError(
        absl::StrCat("machine to which ", hotplugged.in_kib(),
                     " KiB are added: give a multiple of 128 MiB that ends below 128 TiB"));
  }
  movable.added = AddedTo(memory, hotplugged);
  if (movable.first_frames.empty()) {
    for (uint32_t node = 0; node < topology.nodes(); ++node) {
      movable.first_frames.push_back(topology.RangeOf(node).end);
    }
  }
  movable.first_frames.back() = std::min(movable.first_frames.back(), movable.added.first);
  return movable;
}

}  // namespace dmfrag::model
