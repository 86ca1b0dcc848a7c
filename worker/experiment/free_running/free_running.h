#ifndef DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_FREE_RUNNING_H_
#define DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_FREE_RUNNING_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/experiment/free_running/own_tables.h"
#include "worker/experiment/free_running/split_block_use.h"
#include "worker/model/migratetype.h"
#include "worker/model/units.h"
#include "worker/workload/page_type_info.h"
#include "worker/workload/replay_input.h"

namespace dmfrag::experiment {

// What a step did that its action names.
enum class StepSource {
  kNothing,   // nothing that the model knows of
  kExpanded,  // the action's written expansion
  kRecorded,  // calls that the capture recorded, on frames of the model's own
};

// Free blocks by type, then order.
using FreeBlockCounts = std::array<std::array<uint64_t, model::kOrders>, model::kMigratetypes>;

// The state after a step.
struct FreeRunningStep {
  int32_t index = 0;
  std::string action;
  StepSource source = StepSource::kNothing;
  int64_t level2_splits = 0;  // since the start
  int64_t level3_splits = 0;
  model::FrameCount mem_free;
  std::optional<FreeBlockCounts> free_blocks;  // of all zones; filled in for steps that dump
  SplitBlockCounts split_blocks;               // since the start
  OwnTableCounts tables;                       // since the start
};

struct FreeRunningResult {
  std::vector<FreeRunningStep> steps;
  uint64_t moved_frames = 0;  // by compaction
};

// Mean and range of a count over seeds.
struct Spread {
  double mean = 0;
  int64_t least = 0;
  int64_t most = 0;
};

// A capture's steps, on a machine that starts as the counts of its start say and chooses every frame itself. No frame,
// counter or split of the kernel's after the start is read: of the steps, the actions, and where nothing else tells
// what was asked for, the recorded requests. The same seed gives the same result. Errors: kInvalidArgument if the start
// was not counted or makes no sense.
absl::StatusOr<FreeRunningResult> RunFreely(const workload::ReplayInput& input, const workload::FreeCounts& start,
                                            uint64_t seed);

// The counts of the step that `input` starts from: its dump, or failing that the first with pagetypeinfo; null: none.
const workload::FreeCounts* StartCountsOf(const workload::ReplayInput& input,
                                          const std::vector<workload::FreeCounts>& counts);

// Splits after the last step, over results; empty: zero.
Spread Level2Splits(const std::vector<FreeRunningResult>& results);
Spread Level3Splits(const std::vector<FreeRunningResult>& results);

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_FREE_RUNNING_H_
