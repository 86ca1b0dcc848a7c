#include "worker/experiment/cached_code.h"

#include "worker/experiment/call_runner.h"

namespace dmfrag::experiment {

bool CachedCode::Protect(const workload::Operation& operation, const std::vector<model::FrameNumber>&) {
  if (operation.allocations == 0) return true;
  const std::optional<PackPool::ChunkId> part = pool_->Take(this, operation.allocations * model::kFrameBytes);
  if (!part.has_value()) return false;
  model::Machine& machine = supply_->machine();
  const workload::UserCalls calls =
      supply_->CallsOnAreas(permission_->set({.frames = {}, .area = pool_->RangeOf(*part)}, supply_->code_release()));
  if (supply_->Try([&] { return Perform(calls, machine); }) != model::CpaOutcome::kDone) {
    pool_->GiveUp(*part);
    return false;
  }
  parts_.emplace(operation.object, *part);
  return true;
}

void CachedCode::Unprotect(const workload::Operation& operation, const std::vector<model::FrameNumber>&) {
  const auto found = parts_.find(operation.object);
  if (found == parts_.end()) return;
  pool_->Return(found->second);
  parts_.erase(found);
}

}  // namespace dmfrag::experiment
