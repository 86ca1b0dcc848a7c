#include "worker/experiment/block_user.h"

#include <span>
#include <utility>

#include "third_party/abseil_extras/check.h"
#include "worker/experiment/block_frames.h"
#include "worker/experiment/call_runner.h"

namespace dmfrag::experiment {

using model::CpaOutcome;
using model::FrameCount;
using model::FrameNumber;
using model::Order;
using policy::CachedPage;
using policy::PageState;
using workload::Operation;

std::optional<FrameNumber> BlockUser::Allocate(const Operation& operation) {
  return supply_->Try([&]() -> std::optional<FrameNumber> {
    const std::optional<CachedPage> block = Get(operation);
    if (!block.has_value()) return std::nullopt;
    if (Set(operation.order, *block)) return block->page;
    // A single page is as it was; of a block, a part may have changed, whose entries were split as far as they had to.
    if (operation.order > Order(0)) Reset(operation.order, block->page);
    GiveBack(operation.order, block->page);
    return std::nullopt;
  });
}

void BlockUser::Free(const Operation& operation, FrameNumber block) {
  Reset(operation.order, block);
  GiveBack(operation.order, block);
}

bool BlockUser::TakeUp(const Operation& operation, FrameNumber block) {
  return Set(operation.order, {block, PageState::kMapped});
}

bool BlockUser::Move(FrameNumber from, FrameNumber to) {
  const PageState state = supply_->StateOf(Order(0));
  if (!Set(Order(0), {to, state})) return false;
  model::Machine& machine = supply_->machine();
  if (state == PageState::kNotPresent) machine.MapTemporarily(FrameCount(2));
  machine.FlushTlbKernelRange(FrameCount(1));  // of its user's own mapping, on every processor that may have used it
  Reset(Order(0), from);
  return true;
}

std::optional<CachedPage> BlockUser::Get(const Operation& operation) {
  if (!permission_->past_cache) return supply_->Get(operation.order, operation.type, operation.can_sleep);
  const std::optional<FrameNumber> block = supply_->machine().allocator().Allocate(operation.order, operation.type);
  return block.has_value() ? std::optional(CachedPage{*block}) : std::nullopt;
}

void BlockUser::GiveBack(Order order, FrameNumber block) {
  if (!permission_->past_cache) return supply_->Give(block, order);
  FreeOrdinary(block, order, supply_->machine(), supply_->cache());
}

bool BlockUser::Set(Order order, const CachedPage& block) {
  workload::UserCalls calls = CallsOn(permission_->set, order, block.page);
  if (!permission_->past_cache) calls = supply_->CallsToSet(std::move(calls), order, block.state, false);
  return Perform(calls, supply_->machine()) == CpaOutcome::kDone;
}

void BlockUser::Reset(Order order, FrameNumber block) {
  workload::UserCalls calls = CallsOn(permission_->reset, order, block);
  if (!permission_->past_cache) calls = supply_->CallsToReset(std::move(calls), order, frames_, false);
  CHECK(Perform(calls, supply_->machine()) == CpaOutcome::kDone);  // its entries lie within it since it was set
}

workload::UserCalls BlockUser::CallsOn(workload::PermissionCalls calls, Order order, FrameNumber block) {
  frames_.clear();
  AddFrames(block, order, frames_);
  const model::KernelRelease release = supply_->machine().cpa_release();
  if (!permission_->by_page || order == Order(0)) return calls({.frames = frames_, .area = {}}, release);
  workload::UserCalls of_pages;
  for (const FrameNumber& frame : frames_) {
    workload::Append(calls({.frames = std::span(&frame, 1), .area = {}}, release), of_pages);
  }
  return of_pages;
}

void GatheredPages::Unprotect(const Operation&, const std::vector<FrameNumber>& pages) { left_ = pages.size(); }

void GatheredPages::Free(const Operation& operation, FrameNumber page) {
  Reset(operation.order, page);
  batch_.push_back(page);
  if (left_ > 0) --left_;
  if (left_ > 0 && batch_.size() < permission().free_batch) return;
  for (const FrameNumber gathered : batch_) GiveBack(operation.order, gathered);
  batch_.clear();
}

}  // namespace dmfrag::experiment
