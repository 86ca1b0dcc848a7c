#include "worker/experiment/free_running/free_running_comparison.h"

#include <map>

namespace dmfrag::experiment {
namespace {

using workload::CpaCall;
using workload::MapEvent;
using workload::ReplayMeasured;

// nullopt: not recorded, or a count too large to be printed.
std::optional<FreeBlockCounts> FreeBlocksOf(const workload::FreeCounts& counts) {
  if (counts.types.empty()) return std::nullopt;
  FreeBlockCounts blocks{};
  for (const workload::ZoneTypeCounts& zone : counts.types) {
    if (zone.capped) return std::nullopt;
    for (size_t type = 0; type < model::kMigratetypes; ++type) {
      for (size_t order = 0; order < model::kOrders; ++order) blocks[type][order] += zone.free[type][order];
    }
  }
  return blocks;
}

// The kernel's state, step after step.
class KernelSteps {
 public:
  KernelSteps(const workload::ReplayInput& input, const ReplayMeasured& measured,
              const std::vector<workload::FreeCounts>& counts, int32_t start)
      : level2_at_start_(input.start_counters.level2_splits), level3_at_start_(input.start_counters.level3_splits) {
    for (const ReplayMeasured::Step& step : measured.steps) {
      measured_[step.index] = &step;
      if (step.index != start || !step.counters.has_value()) continue;
      level2_at_start_ = step.counters->level2_splits;
      level3_at_start_ = step.counters->level3_splits;
    }
    for (const workload::FreeCounts& step : counts) counts_[step.step] = &step;
  }

  // REQUIRES: called for each step after the start, in order.
  StepState After(const workload::ReplayStep& step) {
    StepState state;
    if (const auto counts = counts_.find(step.index); counts != counts_.end()) {
      state.mem_free = counts->second->mem_free;
      state.free_blocks = FreeBlocksOf(*counts->second);
    }
    const auto found = measured_.find(step.index);
    const ReplayMeasured::Step* measured = found == measured_.end() ? nullptr : found->second;
    if (measured != nullptr && measured->counters.has_value()) {
      state.level2_splits = measured->counters->level2_splits - level2_at_start_;
      state.level3_splits = measured->counters->level3_splits - level3_at_start_;
    }
    AddEvents(step, measured);
    // From a step on whose splits were not recorded, what is known of them is not the whole.
    if (events_known_) {
      state.split_blocks = use_.counts();
      state.tables = tables_;
    }
    return state;
  }

 private:
  void AddEvents(const workload::ReplayStep& step, const ReplayMeasured::Step* measured) {
    if (measured != nullptr && measured->events.has_value()) {
      for (const MapEvent& event : *measured->events) {
        if (!event.collapse && event.level == model::MapLevel::k2M) use_.Split(event.first);
      }
      for (const workload::SplitTable& split : measured->split_tables) {
        if (split.level == model::MapLevel::k2M) tables_.Add(split.first, split.table);
      }
    } else if (!step.calls.empty()) {
      events_known_ = false;
    }
    for (const CpaCall& call : step.calls) {
      for (uint64_t i = 0; i < call.count; ++i) use_.Change(call.Single(i).first, call.pages_each);
    }
  }

  std::map<int32_t, const ReplayMeasured::Step*> measured_;
  std::map<int32_t, const workload::FreeCounts*> counts_;
  int64_t level2_at_start_;
  int64_t level3_at_start_;
  bool events_known_ = true;
  SplitBlockUse use_;
  OwnTableCounts tables_;
};

}  // namespace

std::vector<StepComparison> CompareSteps(const workload::ReplayInput& input, const ReplayMeasured& measured,
                                         const std::vector<workload::FreeCounts>& counts, int32_t start,
                                         const FreeRunningResult& result) {
  KernelSteps kernel(input, measured, counts, start);
  std::map<int32_t, StepState> states;
  for (const workload::ReplayStep& step : input.steps) {
    if (step.index > start) states[step.index] = kernel.After(step);
  }
  std::vector<StepComparison> comparisons;
  for (const FreeRunningStep& step : result.steps) {
    comparisons.push_back({.index = step.index,
                           .action = step.action,
                           .source = step.source,
                           .kernel = states[step.index],
                           .model = {.level2_splits = step.level2_splits,
                                     .level3_splits = step.level3_splits,
                                     .mem_free = step.mem_free,
                                     .free_blocks = step.free_blocks,
                                     .split_blocks = step.split_blocks,
                                     .tables = step.tables}});
  }
  return comparisons;
}

}  // namespace dmfrag::experiment
