#ifndef DMFRAG_WORKER_EXPERIMENT_BOOT_SNAPSHOT_H_
#define DMFRAG_WORKER_EXPERIMENT_BOOT_SNAPSHOT_H_

#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "worker/model/allocator_rules.h"
#include "worker/model/allocator_snapshot.h"
#include "worker/model/machine.h"
#include "worker/workload/page_type_info.h"
#include "worker/workload/random.h"
#include "worker/workload/replay_input.h"

namespace dmfrag::experiment {

// What a capture tells of its machine at one step.
struct BootSnapshot {
  workload::ReplayInput input;  // memory map, processors, the direct map and the requests on it
  int32_t step = 0;
  std::optional<model::AllocatorSnapshot> lists;  // free lists in order, if they were dumped
  workload::FreeCounts counts;                    // otherwise: free blocks and pageblocks by type
};

// The first dump of free lists of a capture; if there is none, the counts of its start (StartCountsOf).
// Errors: kInvalidArgument as of ReadKernelCapture, and if the capture has neither. Thread-safe.
absl::StatusOr<BootSnapshot> ReadBootSnapshot(std::string_view capture);

// The machine as it stood after that step: its direct map as dumped, or predicted for boot, and changed by the requests
// recorded since. With lists the allocator is the kernel's; otherwise it is drawn (SampleStart), and the same `random`
// gives the same. Errors: kInvalidArgument as of Predictor::Create and SampleStart.
absl::StatusOr<model::MachineStart> StartFrom(const BootSnapshot& snapshot, model::AllocatorRules rules,
                                              workload::Random random);

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_BOOT_SNAPSHOT_H_
