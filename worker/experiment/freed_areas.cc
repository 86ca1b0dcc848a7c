#include "worker/experiment/freed_areas.h"

#include <algorithm>

#include "worker/experiment/step_user.h"

namespace dmfrag::experiment {

using workload::CpaCall;

FreedAreas::FreedAreas(const workload::ReplayInput& input) : end_(input.memory.end().raw()) {
  steps_.reserve(input.steps.size());
  for (const workload::ReplayStep& step : input.steps) ScanStep(step, steps_.emplace_back());
}

void FreedAreas::ScanStep(const workload::ReplayStep& step, StepCalls& calls) {
  const StepUser user = UserOfAction(step.action);
  const bool secret = user == StepUser::kSecretFault || user == StepUser::kSecretFaults;
  std::vector<uint64_t> made;  // invalid, in this step
  for (const CpaCall& call : step.calls) {
    const bool invalid = call.op == CpaCall::Op::kSetDirectMapInvalid;
    const bool one_page = call.pages_each.raw() == 1;  // others are set_direct_map_valid_noflush of a cache
    if ((!invalid && call.op != CpaCall::Op::kSetDirectMapDefault) || !one_page || user == StepUser::kDirectCall) {
      position_ += call.count;
      continue;
    }
    if (user == StepUser::kSecretChurn) {
      (invalid ? calls.faults : calls.frees) += static_cast<int64_t>(call.count);
      position_ += call.count;
      continue;
    }
    for (uint64_t i = 0; i < call.count; ++i, ++position_) {
      const uint64_t frame = call.Single(i).first.raw();
      if (frame >= end_) continue;
      if (invalid) {
        if (invalid_.insert(frame).second) made.push_back(frame);
      } else if (!MakeDefault(frame, calls)) {
        ++calls.frees;
      }
    }
  }
  if (!secret) return;
  for (const uint64_t frame : made) calls.faults += static_cast<int64_t>(invalid_.erase(frame));
}

// Whether the page is of an area being freed.
bool FreedAreas::MakeDefault(uint64_t frame, StepCalls& calls) {
  if (closing_.erase(frame) > 0) return true;
  if (!invalid_.contains(frame)) return false;
  ++calls.areas_freed;
  const auto area = static_cast<uint32_t>(sizes_.size());
  sizes_.emplace_back(invalid_.size());
  for (const uint64_t page : invalid_) freed_[page].emplace_back(position_, area);
  closing_.insert(invalid_.begin(), invalid_.end());  // pages of another area may be left in it
  closing_.erase(frame);
  invalid_.clear();
  return true;
}

std::optional<uint32_t> FreedAreas::AreaAt(model::FrameNumber frame, uint64_t position) const {
  const auto found = freed_.find(frame.raw());
  if (found == freed_.end()) return std::nullopt;
  const auto& frees = found->second;
  const auto next = std::lower_bound(frees.begin(), frees.end(), std::pair<uint64_t, uint32_t>(position, 0));
  return next == frees.end() ? std::nullopt : std::optional(next->second);
}

}  // namespace dmfrag::experiment
