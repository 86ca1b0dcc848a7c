#ifndef DMFRAG_WORKER_EXPERIMENT_RUN_H_
#define DMFRAG_WORKER_EXPERIMENT_RUN_H_

#include "absl/status/statusor.h"
#include "worker/experiment/run_config.h"
#include "worker/experiment/run_result.h"

namespace dmfrag::experiment {

// Simulates one run: boots or starts the machine, makes the cache, and carries out the mix's operations in order of
// time. Running out of simulated memory is counted, and ends the object that met it: it keeps what it got. Before an
// allocation fails, the kernel compacts and reclaims (model::MemoryPressure). Errors: kInvalidArgument if the machine
// or the cache cannot be made. Thread-safe: runs share nothing.
absl::StatusOr<RunResult> Run(const RunConfig& config);

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_RUN_H_
