#ifndef DMFRAG_WORKER_EXPERIMENT_REPLAY_COMPARISON_H_
#define DMFRAG_WORKER_EXPERIMENT_REPLAY_COMPARISON_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/experiment/boot_prediction.h"
#include "worker/experiment/calls/call_tally.h"
#include "worker/experiment/flushes/flush_prediction.h"
#include "worker/experiment/replay.h"
#include "worker/model/direct_map.h"
#include "worker/workload/kernel_capture.h"
#include "worker/workload/replay_input.h"

// Predictions beside measurements: the one place where both are seen.
namespace dmfrag::experiment {

// Recorded splits and collapses against the predicted ones of the step.
struct MapEventComparison {
  int32_t recorded = 0;
  int32_t in_place = 0;    // recorded ones predicted at the same request, for the same entry
  int32_t unrecorded = 0;  // predicted ones that were not recorded
  bool as_set = false;     // which request is left out, since several processors logged them
};

// A dump against the predicted map.
struct DumpComparison {
  int64_t entries = 0;        // in the dump, but for those that requests of the same step changed while it was read
  int64_t equal_entries = 0;  // predicted with their level and flags
};

// One step: predicted, and as far as it was measured, compared.
struct ComparedStep {
  Prediction prediction;
  std::optional<workload::KernelCounters> measured;
  // Sum, and largest, of the absolute differences of the counters that both have.
  int64_t difference = 0;
  int64_t max_difference = 0;
  bool changed = false;  // a measured counter moved since the step measured before
  std::optional<MapEventComparison> map_events;
  std::optional<DumpComparison> dump;
  std::vector<CallComparison> calls;  // one per kind of user that acts
  FlushPrediction flushes;
  std::optional<workload::MeasuredInterrupts> interrupts;
};

// The counters at boot.
struct BootComparison {
  BootPrediction prediction;
  std::optional<workload::KernelCounters> measured;
  int64_t difference = 0;  // sum of the absolute differences of the counters that both have
};

struct ReplayComparison {
  std::vector<ComparedStep> steps;  // every predicted step
  model::EventCounters events;      // predicted, of all steps
  // Absent if the capture does not say what its machine was before it booted.
  std::optional<BootComparison> boot = std::nullopt;
};

MapEventComparison CompareMapEvents(const std::vector<workload::MapEvent>& predicted,
                                    const std::vector<workload::MapEvent>& recorded, bool as_set);

// `dump` ascending, as a capture holds it. `racing`: what requests touched while the dump was read, in any order;
// entries in it may or may not show the change, and are left out.
DumpComparison CompareDump(const model::DirectMap& predicted, const std::vector<model::LeafRun>& dump,
                           std::vector<model::FrameRange> racing);

// Predicts from the capture's input, and puts what was measured beside it. Errors: kInvalidArgument as
// Predictor::Create.
absl::StatusOr<ReplayComparison> PredictAndCompare(const workload::KernelCapture& capture);

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_REPLAY_COMPARISON_H_
