#include "worker/experiment/page_supply.h"

namespace dmfrag::experiment {
namespace {

using model::FrameCount;

// Pages the cache gives up at a time under pressure (SHRINK_BATCH).
constexpr FrameCount kShrinkBatch(128);
// Pages that reclaim takes at a time (SWAP_CLUSTER_MAX).
constexpr FrameCount kReclaimBatch(32);

}  // namespace

void PageSupply::Prepare() {
  if (cache_->idle_pages().raw() > 0 && machine_->allocator().free_frames() < cache_->shrink_below()) {
    cache_->Shrink(kShrinkBatch);
  }
  if (holders_.empty() || !machine_->allocator().IsShortOfMemory()) return;
  while (!machine_->allocator().HasEnoughMemory() && ReclaimBatch()) {
  }
}

bool PageSupply::Relieve() { return cache_->Shrink(kShrinkBatch).raw() != 0 || ReclaimBatch(); }

bool PageSupply::ReclaimBatch() {
  for (Reclaimable* holder : holders_) {
    if (holder->Reclaim(kReclaimBatch).raw() != 0) return true;
  }
  return false;
}

void PageSupply::FreeOrdinary(model::FrameNumber block, model::Order order) {
  if (order == model::Order(0) && cache_->diverts_frees() && cache_->DivertFree(block)) return;
  machine_->allocator().Free(block, order);
}

}  // namespace dmfrag::experiment
