#include "worker/experiment/free_running/compaction.h"

namespace dmfrag::experiment {

using model::FrameCount;
using model::FrameNumber;
using model::FrameState;
using model::kFramesPer2M;
using model::Migratetype;
using model::Order;

void Compaction::Restart() {
  migrate_ = zone_.first;
  free_ = zone_.end;
}

bool Compaction::MakeFreeBlock(uint32_t cpu) {
  allocator_->DrainPerCpu();
  for (int round = 0; round < 2; ++round) {
    while (migrate_ + kFramesPer2M <= free_) {
      const FrameNumber block = migrate_;
      migrate_ = migrate_ + kFramesPer2M;
      if (CanEmpty(block) && Empty(block, cpu)) return true;
    }
    Restart();
  }
  return false;
}

void Compaction::Run(uint32_t cpu) {
  allocator_->DrainPerCpu();
  Restart();
  while (migrate_ + kFramesPer2M <= free_) {
    const FrameNumber block = migrate_;
    migrate_ = migrate_ + kFramesPer2M;
    if (CanEmpty(block)) Empty(block, cpu);
  }
}

bool Compaction::CanEmpty(FrameNumber block) const {
  if (!allocator_->Manages(block) || allocator_->PageblockType(block) != Migratetype::kMovable) return false;
  bool used = false;
  for (FrameNumber frame = block; frame < block + kFramesPer2M;) {
    const model::PageAllocator::Block found = allocator_->BlockOf(frame);
    if (found.state == FrameState::kFree) {
      frame = found.first + found.order.frames();
      continue;
    }
    if (!frames_->IsMovable(frame)) return false;
    used = true;
    frame = frame + FrameCount(1);
  }
  return used;
}

bool Compaction::Empty(FrameNumber block, uint32_t cpu) {
  for (FrameNumber frame = block; frame < block + kFramesPer2M; frame = frame + FrameCount(1)) {
    if (!frames_->IsMovable(frame)) continue;
    const std::optional<FrameNumber> target = TakeTarget(block + kFramesPer2M);
    if (!target.has_value()) return false;
    frames_->Moved(frame, *target);
    allocator_->Free(frame, Order(0), cpu);
    ++moved_;
  }
  allocator_->DrainPerCpu();
  return true;
}

std::optional<FrameNumber> Compaction::TakeTarget(FrameNumber above) {
  while (free_ > above) {
    const FrameNumber frame(free_.raw() - 1);
    const FrameNumber block = frame.AlignedDown(kFramesPer2M);
    if (!allocator_->Manages(frame) || allocator_->PageblockType(frame) != Migratetype::kMovable) {
      free_ = block;
      continue;
    }
    const model::PageAllocator::Block found = allocator_->BlockOf(frame);
    // Whole free blocks are what this is for, not a place to fill (suitable_migration_target).
    if (found.state == FrameState::kFree && found.order >= model::kPageblockOrder) {
      free_ = block;
      continue;
    }
    free_ = frame;
    if (found.state == FrameState::kFree && allocator_->Take(frame, Order(0), Migratetype::kMovable)) return frame;
  }
  return std::nullopt;
}

}  // namespace dmfrag::experiment
