#include "worker/experiment/restorable_blocks.h"

#include "worker/model/units.h"

namespace dmfrag::experiment {
namespace {

using model::FrameCount;
using model::FrameNumber;
using model::FrameState;

bool IsFree(const model::PageAllocator& allocator, FrameNumber first) {
  if (!allocator.Manages(first)) return false;
  for (FrameNumber frame = first; frame < first + model::kFramesPer2M;) {
    const model::PageAllocator::Block block = allocator.BlockOf(frame);
    if (block.state != FrameState::kFree && block.state != FrameState::kPerCpu) return false;
    frame = block.first + block.order.frames();
  }
  return true;
}

}  // namespace

uint64_t CountRestorableBlocks(const model::DirectMap& map, const model::PageAllocator& allocator) {
  uint64_t blocks = 0;
  map.ForEachSplitBlock([&](FrameNumber first) { blocks += IsFree(allocator, first) ? 1 : 0; });
  return blocks;
}

}  // namespace dmfrag::experiment
