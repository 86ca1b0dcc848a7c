#ifndef DMFRAG_WORKER_CONVERT_REPLAY_RESULT_H_
#define DMFRAG_WORKER_CONVERT_REPLAY_RESULT_H_

#include <cstdint>
#include <optional>

#include "dmfrag/v1/job_result.pb.h"
#include "worker/workload/replay_input.h"

namespace dmfrag::convert {

// The result of a replay that was carried out, with what every report says of its capture and of the step whose state
// it left from; no comparison yet, and no metrics.
v1::JobResult ReplayResult(const workload::ReplayInput& input, std::optional<int32_t> start_step);

}  // namespace dmfrag::convert

#endif  // DMFRAG_WORKER_CONVERT_REPLAY_RESULT_H_
