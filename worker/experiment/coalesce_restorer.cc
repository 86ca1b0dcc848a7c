#include "worker/experiment/coalesce_restorer.h"

namespace dmfrag::experiment {

using model::FrameNumber;

CoalesceRestorer::CoalesceRestorer(model::Machine* machine) : machine_(machine) {
  machine->allocator().ObserveCoalescing(this);
}

CoalesceRestorer::~CoalesceRestorer() { machine_->allocator().ObserveCoalescing(nullptr); }

void CoalesceRestorer::OnCoalesced(FrameNumber first, model::Order order) {
  for (FrameNumber block = first; block < first + order.frames(); block = block + model::kFramesPer2M) {
    if (machine_->direct_map().Lookup(block)->level != model::MapLevel::k4K) continue;
    pending_.push_back({now_.AfterUs(kDelayUs), block, &machine_->account()});
  }
}

void CoalesceRestorer::PassTime(workload::SimTime now) {
  now_ = now;
  while (!pending_.empty() && pending_.front().due <= now) {
    const Pending pending = pending_.front();
    pending_.pop_front();
    Restore(pending);
  }
}

void CoalesceRestorer::Restore(const Pending& pending) {
  model::EventCounters* const current = &machine_->account();
  machine_->ChargeTo(pending.account);
  const model::PageAllocator::Block block = machine_->allocator().BlockOf(pending.block);
  const bool is_free = block.state == model::FrameState::kFree && block.order >= model::kPageblockOrder;
  const bool is_done = machine_->direct_map().Lookup(pending.block)->level != model::MapLevel::k4K;
  if (!is_free) {
    ++machine_->account().restores_lost;
  } else if (!is_done) {
    const model::FrameRange pages{pending.block, pending.block + model::kFramesPer2M};
    machine_->ClearKernel4K(pages);
    const bool restored = machine_->Collapse(pages) > 0;
    ++(restored ? machine_->account().blocks_restored : machine_->account().restores_blocked);
  }
  machine_->ChargeTo(current);
}

}  // namespace dmfrag::experiment
