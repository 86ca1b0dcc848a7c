#ifndef DMFRAG_WORKER_EXPERIMENT_FLUSHES_FLUSH_PREDICTION_H_
#define DMFRAG_WORKER_EXPERIMENT_FLUSHES_FLUSH_PREDICTION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/experiment/flushes/step_user.h"
#include "worker/workload/replay_input.h"

namespace dmfrag::experiment {

// Flushes of kernel addresses.
struct FlushCounts {
  int64_t flush_tlb_all = 0;           // calls
  int64_t flush_tlb_kernel_range = 0;  // calls
  int64_t cpa_ranges = 0;              // cpa_flush of up to 33 pages, which calls neither

  // Interrupts that each other processor gets, if no two flushes overlap; those of parallel flushes merge, so that this
  // is the most there can be. 0 on one processor.
  int64_t InterruptsPerOtherCpu(uint32_t cpus) const {
    return cpus > 1 ? flush_tlb_all + flush_tlb_kernel_range + cpa_ranges : 0;
  }
  friend bool operator==(const FlushCounts&, const FlushCounts&) = default;
};

// One recorded step.
struct FlushPrediction {
  int32_t index = 0;
  std::string action;
  StepUser user = StepUser::kOther;
  // Pages touched or freed, programs asked for, modules loaded, areas freed; 0 for others.
  int64_t operations = 0;
  FlushCounts flushes;
  // Large pages of the ROX cache split and collapsed in their own mapping, which no counter of the kernel shows.
  int64_t cache_splits = 0;
  int64_t cache_collapses = 0;
};

// Predicts the flushes of every step, from the requests of the capture alone; parallel to the steps of the input.
//
// Exact for secret pages on one thread, where the unit is the request. For modules it rests on what AliasFlushes and
// FreedAreas find out, and looks ahead in the capture to the frees of areas. Not in it: flushes of vmalloc areas freed
// lazily by others than module loads (a few per step), code patching (which interrupts, and flushes nothing here), user
// addresses.
//
// Errors: kInvalidArgument as Predictor::Create. Takes the time of a replay.
absl::StatusOr<std::vector<FlushPrediction>> PredictFlushes(const workload::ReplayInput& input);

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_FLUSHES_FLUSH_PREDICTION_H_
