#include "worker/experiment/page_supply.h"

namespace dmfrag::experiment {

void FreeOrdinary(model::FrameNumber block, model::Order order, model::Machine& machine, policy::CacheType& cache) {
  if (order == model::Order(0) && cache.diverts_frees() && cache.DivertFree(block)) return;
  machine.allocator().Free(block, order);
}

void PageSupply::ShrinkBelowThreshold() {
  constexpr model::FrameCount kShrinkBatch(128);  // SHRINK_BATCH
  if (cache_->idle_pages().raw() > 0 && machine_->allocator().free_frames() < cache_->shrink_below()) {
    cache_->Shrink(kShrinkBatch);
  }
}

}  // namespace dmfrag::experiment
