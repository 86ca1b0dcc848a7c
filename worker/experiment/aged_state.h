#ifndef DMFRAG_WORKER_EXPERIMENT_AGED_STATE_H_
#define DMFRAG_WORKER_EXPERIMENT_AGED_STATE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/experiment/object_table.h"
#include "worker/experiment/run_config.h"
#include "worker/model/allocator_snapshot.h"
#include "worker/model/machine.h"
#include "worker/model/units.h"
#include "worker/workload/operation.h"
#include "worker/workload/sim_time.h"

namespace dmfrag::experiment {

// What ageing leaves of a machine: its page allocator, and who still holds pages. The direct map is that of the start,
// since nobody changed a permission. What is not here is forgotten, by definition of the pause after ageing: recent
// runs of allocations and frees, which make per-CPU lists take more at once; failures of compaction, and where it
// stopped (the kernel forgets that too, once kcompactd goes to sleep: mm/compaction.c __reset_isolation_suitable). A
// plain value.
struct AgedState {
  model::AllocatorSnapshot allocator;
  std::vector<model::FrameNumber> free_tables;  // of the source of page tables
  // As ObjectTable::Held gives them. Users count from 0 in the ageing's mix, ends from the start of what comes after.
  std::vector<HeldObject> survivors;
  friend bool operator==(const AgedState&, const AgedState&) = default;
};

// Name in results of what a user of the ageing left.
std::string AgedUserName(const std::string& name);

// The machine as `state` has it, with every block in use known. Errors: kInvalidArgument if the state is not of this
// machine, or contradicts itself. REQUIRES: config.ageing.
absl::StatusOr<std::unique_ptr<model::Machine>> StartAged(const RunConfig& config, const AgedState& state);

// The ends of survivors before `horizon`, in order of time; their users count from `first_user` on.
std::vector<workload::Operation> EndsOfSurvivors(const AgeingConfig& ageing, const AgedState& state,
                                                 uint32_t first_user, workload::SimTime horizon);

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_AGED_STATE_H_
