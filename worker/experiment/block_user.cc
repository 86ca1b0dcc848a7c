#include "worker/experiment/block_user.h"

#include "third_party/abseil_extras/check.h"
#include "worker/experiment/block_frames.h"
#include "worker/experiment/call_runner.h"

namespace dmfrag::experiment {

using model::CpaOutcome;
using model::FrameNumber;
using model::Order;
using workload::Operation;

std::optional<FrameNumber> BlockUser::Allocate(const Operation& operation) {
  return supply_->Try([&]() -> std::optional<FrameNumber> {
    const std::optional<FrameNumber> block = Get(operation);
    if (!block.has_value()) return std::nullopt;
    if (Perform(CallsOn(permission_->set, operation.order, *block), supply_->machine()) == CpaOutcome::kDone) {
      return block;
    }
    // A single page is as it was; of a block, a part may have changed, whose entries were split as far as they had to.
    if (operation.order > Order(0)) Reset(operation.order, *block);
    GiveBack(operation.order, *block);
    return std::nullopt;
  });
}

void BlockUser::Free(const Operation& operation, FrameNumber block) {
  Reset(operation.order, block);
  GiveBack(operation.order, block);
}

std::optional<FrameNumber> BlockUser::Get(const Operation& operation) {
  if (UsesCache(operation.order)) return supply_->cache().Allocate({.type = operation.type});
  return supply_->machine().allocator().Allocate(operation.order, operation.type);
}

void BlockUser::GiveBack(Order order, FrameNumber block) {
  if (UsesCache(order)) return supply_->cache().Free(block);
  supply_->machine().allocator().Free(block, order);
}

void BlockUser::Reset(Order order, FrameNumber block) {
  const CpaOutcome outcome = Perform(CallsOn(permission_->reset, order, block), supply_->machine());
  CHECK(outcome == CpaOutcome::kDone);  // the block's entries lie within it since it was set: nothing is left to split
}

workload::UserCalls BlockUser::CallsOn(workload::PermissionCalls calls, Order order, FrameNumber block) {
  frames_.clear();
  AddFrames(block, order, frames_);
  return calls({.frames = frames_, .area = {}}, supply_->machine().cpa_release());
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
