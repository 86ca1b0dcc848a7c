#ifndef DMFRAG_WORKER_EXPERIMENT_CALLS_RECORDED_CALLS_H_
#define DMFRAG_WORKER_EXPERIMENT_CALLS_RECORDED_CALLS_H_

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/workload/calls/user_call.h"
#include "worker/workload/replay_input.h"

namespace dmfrag::experiment {

// The calls of a step one by one, in order. set_direct_map_* is one call, whether or not the kprobes recorded the CPA
// call inside it apart (they do if another task came in between).
// Errors: kInvalidArgument if there are more than `max_calls`.
absl::StatusOr<std::vector<workload::DirectMapCall>> ExpandCalls(const workload::ReplayStep& step, size_t max_calls);

// Whether a recorded call is the generated one: function, range, masks. Masks of set_direct_map_* are not recorded.
bool IsRecordOf(const workload::DirectMapCall& recorded, const workload::DirectMapCall& generated);

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_CALLS_RECORDED_CALLS_H_
