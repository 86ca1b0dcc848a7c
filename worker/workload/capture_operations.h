#ifndef DMFRAG_WORKER_WORKLOAD_CAPTURE_OPERATIONS_H_
#define DMFRAG_WORKER_WORKLOAD_CAPTURE_OPERATIONS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "worker/workload/step_operations.h"

namespace dmfrag::workload {

// Of every step, in order, those before the start of the replay too. Keys that a capture lacks give no operations.
// Errors: kInvalidArgument names the step and what is wrong in it. Throws nlohmann's exceptions if a value has another
// type than the format says.
absl::StatusOr<std::vector<StepOperations>> ParseOperations(const nlohmann::json& capture);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_CAPTURE_OPERATIONS_H_
