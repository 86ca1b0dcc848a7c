#include "worker/model/compaction.h"

#include "worker/model/frame_table.h"

namespace dmfrag::model {
namespace {

constexpr FrameCount kSection(FrameTable::kSectionFrames);

}  // namespace

void Compaction::Restart() {
  migrate_ = zone_.first;
  free_ = zone_.end;
}

bool Compaction::MakeFreeBlock(uint32_t cpu, Order order) {
  allocator_->DrainPerCpu();
  for (int round = 0; round < 2; ++round) {
    while (const std::optional<FrameNumber> block = NextSource(order)) {
      if (Empty(*block, order, cpu)) return true;
    }
    Restart();
  }
  return false;
}

void Compaction::Run(uint32_t cpu) {
  allocator_->DrainPerCpu();
  Restart();
  while (const std::optional<FrameNumber> block = NextSource(kPageblockOrder)) Empty(*block, kPageblockOrder, cpu);
}

std::optional<FrameNumber> Compaction::NextSource(Order order) {
  migrate_ = migrate_.AlignedUp(order.frames());
  while (migrate_ + order.frames() <= free_) {
    const FrameNumber block = migrate_;
    // Sections that nobody has touched hold nothing to move.
    migrate_ = allocator_->Manages(block) ? block + order.frames() : block.AlignedDown(kSection) + kSection;
    if (CanEmpty(block, order)) return block;
  }
  return std::nullopt;
}

bool Compaction::CanEmpty(FrameNumber block, Order order) const {
  if (!allocator_->Manages(block)) return false;
  bool used = false;
  for (FrameNumber frame = block; frame < block + order.frames();) {
    const bool is_new_pageblock = frame == block || frame.IsAligned(kFramesPer2M);
    if (is_new_pageblock && allocator_->PageblockType(frame) != Migratetype::kMovable) return false;
    const PageAllocator::Block found = allocator_->BlockOf(frame);
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

bool Compaction::Empty(FrameNumber block, Order order, uint32_t cpu) {
  const FrameNumber end = block + order.frames();
  for (FrameNumber frame = block; frame < end; frame = frame + FrameCount(1)) {
    if (!frames_->IsMovable(frame)) continue;
    const std::optional<FrameNumber> target = TakeTarget(end);
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
    if (!allocator_->Manages(frame)) {
      free_ = frame.AlignedDown(kSection);
      continue;
    }
    const PageAllocator::Block found = allocator_->BlockOf(frame);
    // Whole free blocks are what this is for, not a place to fill (suitable_migration_target).
    const bool is_whole = found.state == FrameState::kFree && found.order >= kPageblockOrder;
    if (is_whole || allocator_->PageblockType(frame) != Migratetype::kMovable) {
      free_ = frame.AlignedDown(kFramesPer2M);
      continue;
    }
    free_ = frame;
    if (found.state == FrameState::kFree && allocator_->Take(frame, Order(0), Migratetype::kMovable)) return frame;
  }
  return std::nullopt;
}

}  // namespace dmfrag::model
