#ifndef DMFRAG_WORKER_EXPERIMENT_RUN_H_
#define DMFRAG_WORKER_EXPERIMENT_RUN_H_

#include "absl/status/statusor.h"
#include "worker/experiment/aged_state.h"
#include "worker/experiment/recorded_work.h"
#include "worker/experiment/run_config.h"
#include "worker/experiment/run_result.h"

namespace dmfrag::experiment {

// Simulates one run: boots or starts the machine, makes the cache, and carries out the mix's operations in order of
// time. Running out of simulated memory is counted, and ends the object that met it: it keeps what it got. Before an
// allocation fails, the kernel compacts and reclaims (model::MemoryPressure). Errors: kInvalidArgument if the machine
// or the cache cannot be made. Thread-safe: runs share nothing. With config.ageing, the machine is aged first.
absl::StatusOr<RunResult> Run(const RunConfig& config);

// The same from the state that Age gave, however it was kept in between: survivors live out their time beside the mix.
// REQUIRES: config.ageing. Errors: also those of StartAged.
absl::StatusOr<RunResult> Run(const RunConfig& config, const AgedState& state);

// A recording's requests beside the mix, which may be empty. Blocks that were held before are, on a machine that starts
// from a state, the nearest ones that this has in use; on one that boots they are allocated first. Neither is counted.
// The free of a block that found no memory does nothing. Page cache of a recording is never dropped: its frees are the
// kernel's. REQUIRES: no config.ageing; config.length covers the operations. Errors: as above.
absl::StatusOr<RecordedRunResult> Run(const RunConfig& config, const RecordedWork& work);

// Boots or starts the machine, and carries out the ageing's mix without a cache, uncounted. Of `config` it depends on
// the machine, the start, the ageing and the seed alone. REQUIRES: config.ageing, whose users change no permission.
// Errors: kInvalidArgument if the machine cannot be made.
absl::StatusOr<AgedState> Age(const RunConfig& config);

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_RUN_H_
