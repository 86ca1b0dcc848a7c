#include "worker/experiment/graphics_user.h"

#include <algorithm>

#include "worker/experiment/block_frames.h"
#include "worker/experiment/call_runner.h"

namespace dmfrag::experiment {

using model::CpaOutcome;
using model::FrameCount;
using model::FrameNumber;
using workload::Operation;

GraphicsUser::GraphicsUser(const workload::ObjectTraffic& traffic, PageSupply* supply)
    : permission_(traffic.permission),
      supply_(supply),
      order_(traffic.order),
      limit_(supply->machine().allocator().managed_frames().raw() * traffic.pool_per_mille / 1000) {}

std::optional<FrameNumber> GraphicsUser::Allocate(const Operation& operation) {
  if (!pool_.empty()) {
    const FrameNumber block = pool_.front();
    pool_.pop_front();
    return block;
  }
  const std::optional<FrameNumber> block =
      supply_->Try([&] { return supply_->machine().allocator().Allocate(order_, operation.type); });
  if (block.has_value()) new_.push_back(*block);
  return block;
}

bool GraphicsUser::Protect(const Operation&, const std::vector<FrameNumber>&) {
  if (new_.empty()) return true;
  frames_.clear();
  for (const FrameNumber block : new_) AddFrames(block, order_, frames_);
  model::Machine& machine = supply_->machine();
  if (supply_->Try([&] {
        return Perform(permission_->set({.frames = frames_, .area = {}}, machine.cpa_release()), machine) ==
               CpaOutcome::kDone;
      })) {
    new_.clear();
    return true;
  }
  for (const FrameNumber block : new_) Reset(block);
  return false;
}

void GraphicsUser::Free(const Operation&, FrameNumber block) {
  if (const auto found = std::find(new_.begin(), new_.end(), block); found != new_.end()) {
    new_.erase(found);
    FreeOrdinary(block, order_, supply_->machine(), supply_->cache());
    return;
  }
  pool_.push_back(block);
  while (idle_pages() > limit_) FreeOldest();
}

FrameCount GraphicsUser::Shrink(FrameCount at_most) {
  FrameCount freed;
  while (freed < at_most && !pool_.empty()) {
    FreeOldest();
    freed += order_.frames();
  }
  return freed;
}

void GraphicsUser::Reset(FrameNumber block) {
  frames_.clear();
  AddFrames(block, order_, frames_);
  model::Machine& machine = supply_->machine();
  // It needs no memory: the entries are 4K, or have not changed yet.
  PerformAll(permission_->reset({.frames = frames_, .area = {}}, machine.cpa_release()), machine);
}

void GraphicsUser::FreeOldest() {
  const FrameNumber block = pool_.front();
  pool_.pop_front();
  Reset(block);
  FreeOrdinary(block, order_, supply_->machine(), supply_->cache());
}

}  // namespace dmfrag::experiment
