#include "worker/experiment/page_supply.h"

#include <variant>

#include "worker/model/entry_flags.h"
#include "worker/workload/calls/not_present_calls.h"

namespace dmfrag::experiment {

using policy::CachedPage;
using policy::PageState;
using workload::UserCalls;

void FreeOrdinary(model::FrameNumber block, model::Order order, model::Machine& machine, policy::CacheType& cache) {
  if (cache.checks_frees() && cache.DivertFree(block, order)) return;
  machine.allocator().Free(block, order);
}

std::optional<CachedPage> PageSupply::Get(model::Order order, model::Migratetype type, bool can_sleep) {
  if (Serves(order)) return cache_->Allocate({.order = order, .type = type, .user = user_, .can_sleep = can_sleep});
  const std::optional<model::FrameNumber> block = machine_->allocator().Allocate(order, type);
  return block.has_value() ? std::optional(CachedPage{*block}) : std::nullopt;
}

void PageSupply::Give(model::FrameNumber block, model::Order order) {
  if (!Serves(order)) return FreeOrdinary(block, order, *machine_, *cache_);
  // A page whose user never came to set it is as it was when it came. Of a cache whose pages are to be not present,
  // none is looked at: a defect of the cache is passed on as it is.
  const PageState on_free = cache_->StateOnFree(user_);
  cache_->Free(block, order, user_, IsPresent(block) ? on_free : PageState::kNotPresent);
}

PageState PageSupply::StateOf(model::Order order) const {
  return Serves(order) ? cache_->StateOnAllocate(user_) : PageState::kMapped;
}

UserCalls PageSupply::CallsToSet(UserCalls calls, model::Order order, PageState state, bool is_mapped_elsewhere) const {
  switch (Serves(order) ? state : PageState::kMapped) {
    case PageState::kMapped:
      return calls;
    case PageState::kNotPresent:
      return user_.category_two ? workload::SetFromNotPresent(calls)
                                : workload::WithoutDirectMap(calls, is_mapped_elsewhere);
    case PageState::kInUse:
      return {};
  }
  return calls;
}

UserCalls PageSupply::CallsToReset(UserCalls calls, model::Order order, std::span<const model::FrameNumber> frames,
                                   bool is_mapped_elsewhere) const {
  switch (Serves(order) ? cache_->StateOnFree(user_) : PageState::kMapped) {
    case PageState::kMapped:
      return calls;
    case PageState::kNotPresent:
      return user_.category_two ? workload::ResetToNotPresent(frames)
                                : workload::WithoutDirectMap(calls, is_mapped_elsewhere);
    case PageState::kInUse:
      return {};
  }
  return calls;
}

UserCalls PageSupply::CallsOnAreas(UserCalls calls) const {
  for (workload::UserCall& call : calls) {
    auto* request = std::get_if<model::VirtualAttributeRequest>(&call);
    if (request == nullptr || request->range.empty()) continue;
    const auto mapping = machine_->vmalloc().Lookup(request->range.first);
    if (!mapping.has_value()) continue;
    const model::FrameNumber first = mapping->frame + (request->range.first - mapping->first);
    if (!IsPresent(first)) request->check_alias = false;
  }
  return calls;
}

bool PageSupply::IsPresent(model::FrameNumber frame) const {
  return machine_->direct_map().Lookup(frame)->flags.Has(model::EntryFlags::kPresent);
}

void PageSupply::ShrinkBelowThreshold() {
  constexpr model::FrameCount kShrinkBatch(128);  // SHRINK_BATCH
  if (shrink_below_ == model::FrameCount(0) || machine_->allocator().free_frames() >= shrink_below_) return;
  if (cache_->idle_pages() > model::FrameCount(0)) cache_->Shrink(kShrinkBatch);
}

}  // namespace dmfrag::experiment
