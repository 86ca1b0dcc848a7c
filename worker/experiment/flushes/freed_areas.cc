#include "worker/experiment/flushes/freed_areas.h"

#include <algorithm>

#include "worker/experiment/flushes/step_user.h"

namespace dmfrag::experiment {

using workload::CpaCall;

namespace {

// set_direct_map_invalid_noflush or _default_noflush of single pages. Those of more are set_direct_map_valid_noflush,
// by which the ROX cache takes and gives back its blocks.
bool IsOfPages(const CpaCall& call) {
  const bool direct_map = call.op == CpaCall::Op::kSetDirectMapInvalid || call.op == CpaCall::Op::kSetDirectMapDefault;
  return direct_map && call.pages_each.raw() == 1;
}

}  // namespace

FreedAreas::FreedAreas(const workload::ReplayInput& input) : end_(input.memory.end().raw()) {
  steps_.reserve(input.steps.size());
  for (const workload::ReplayStep& step : input.steps) ScanStep(step, steps_.emplace_back());
}

void FreedAreas::ScanStep(const workload::ReplayStep& step, StepCalls& calls) {
  const StepUser user = UserOfAction(step.action);
  const bool takes_pages = user == StepUser::kSecretFault || user == StepUser::kSecretFaults;
  const Frames returned = takes_pages ? PagesMadeDefault(step) : Frames();
  for (const CpaCall& call : step.calls) {
    const bool invalid = call.op == CpaCall::Op::kSetDirectMapInvalid;
    if (!IsOfPages(call) || user == StepUser::kDirectCall) {
      position_ += call.count;
    } else if (user == StepUser::kSecretChurn) {
      (invalid ? calls.faults : calls.frees) += static_cast<int64_t>(call.count);
      position_ += call.count;
    } else if (invalid) {
      MakeInvalid(call, takes_pages ? &returned : nullptr, calls);
    } else {
      MakeDefault(call, calls);
    }
  }
  if (!takes_pages) return;
  // Freed first, and taken by secretmem then.
  for (const uint64_t frame : returned) calls.faults += static_cast<int64_t>(invalid_.erase(frame));
}

FreedAreas::Frames FreedAreas::PagesMadeDefault(const workload::ReplayStep& step) const {
  Frames frames;
  for (const CpaCall& call : step.calls) {
    if (call.op != CpaCall::Op::kSetDirectMapDefault || !IsOfPages(call)) continue;
    for (uint64_t i = 0; i < call.count; ++i) {
      const uint64_t frame = call.Single(i).first.raw();
      if (frame < end_) frames.insert(frame);
    }
  }
  return frames;
}

void FreedAreas::MakeInvalid(const CpaCall& call, const Frames* returned, StepCalls& calls) {
  for (uint64_t i = 0; i < call.count; ++i, ++position_) {
    const uint64_t frame = call.Single(i).first.raw();
    if (frame >= end_) continue;
    if (returned != nullptr && !returned->contains(frame)) {
      ++calls.faults;
    } else {
      invalid_.insert(frame);
    }
  }
}

void FreedAreas::MakeDefault(const CpaCall& call, StepCalls& calls) {
  for (uint64_t i = 0; i < call.count; ++i, ++position_) {
    const uint64_t frame = call.Single(i).first.raw();
    if (frame < end_ && !FreePage(frame, calls)) ++calls.frees;
  }
}

// Whether the page is of an area being freed.
bool FreedAreas::FreePage(uint64_t frame, StepCalls& calls) {
  if (closing_.erase(frame) > 0) return true;
  if (!invalid_.contains(frame)) return false;
  ++calls.areas_freed;
  const auto area = static_cast<uint32_t>(sizes_.size());
  sizes_.emplace_back(invalid_.size());
  freed_at_[position_] = area;
  for (const uint64_t page : invalid_) freed_[page].emplace_back(position_, area);
  closing_.insert(invalid_.begin(), invalid_.end());  // pages of another area may be left in it
  closing_.erase(frame);
  invalid_.clear();
  return true;
}

std::optional<uint32_t> FreedAreas::AreaFreedAt(uint64_t position) const {
  const auto found = freed_at_.find(position);
  return found == freed_at_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<uint32_t> FreedAreas::AreaAt(model::FrameNumber frame, uint64_t position) const {
  const auto found = freed_.find(frame.raw());
  if (found == freed_.end()) return std::nullopt;
  const auto& frees = found->second;
  const auto next = std::lower_bound(frees.begin(), frees.end(), std::pair<uint64_t, uint32_t>(position, 0));
  return next == frees.end() ? std::nullopt : std::optional(next->second);
}

}  // namespace dmfrag::experiment
