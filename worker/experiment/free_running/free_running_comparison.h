#ifndef DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_FREE_RUNNING_COMPARISON_H_
#define DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_FREE_RUNNING_COMPARISON_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "worker/experiment/free_running/free_running.h"
#include "worker/experiment/free_running/own_tables.h"
#include "worker/experiment/free_running/split_block_use.h"
#include "worker/model/units.h"
#include "worker/workload/page_type_info.h"
#include "worker/workload/replay_input.h"

namespace dmfrag::experiment {

// What is known of one machine after a step; absent: not recorded. Splits, and the pages changed in split blocks, count
// from the start of the replay on.
struct StepState {
  std::optional<int64_t> level2_splits;  // of 2M pages
  std::optional<int64_t> level3_splits;  // of 1G pages
  std::optional<model::FrameCount> mem_free;
  std::optional<FreeBlockCounts> free_blocks;    // of all zones and nodes
  std::optional<SplitBlockCounts> split_blocks;  // blocks whose split was recorded
  std::optional<OwnTableCounts> tables;          // page tables of splits of 2M pages
  friend bool operator==(const StepState&, const StepState&) = default;
};

// A step, the kernel's state after it beside the model's.
struct StepComparison {
  int32_t index = 0;
  std::string action;
  StepSource source = StepSource::kNothing;
  StepState kernel;
  StepState model;
};

// The steps of a replay that left the step `start` (StartCountsOf) with the model's own frames, each beside what the
// capture recorded: `measured` and `counts` are the capture's. Pure; the same arguments give the same result.
std::vector<StepComparison> CompareSteps(const workload::ReplayInput& input, const workload::ReplayMeasured& measured,
                                         const std::vector<workload::FreeCounts>& counts, int32_t start,
                                         const FreeRunningResult& result);

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_FREE_RUNNING_COMPARISON_H_
