#include "worker/experiment/free_running/split_block_use.h"

namespace dmfrag::experiment {

using model::FrameCount;
using model::FrameNumber;
using model::kFramesPer2M;

void SplitBlockUse::Change(FrameNumber first, FrameCount pages) {
  for (FrameNumber frame = first; frame < first + pages; frame = frame + FrameCount(1)) {
    Block& block = blocks_[frame.raw() / kPages];
    const size_t page = frame.raw() % kPages;
    if (block.changed[page]) continue;
    block.changed[page] = true;
    if (block.split) ++counts_.changed_pages;
  }
}

void SplitBlockUse::Split(FrameNumber first) {
  Block& block = blocks_[first.raw() / kPages];
  if (block.split) return;
  block.split = true;
  ++counts_.blocks;
  counts_.changed_pages += block.changed.count();
}

}  // namespace dmfrag::experiment
