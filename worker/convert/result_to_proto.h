#ifndef DMFRAG_WORKER_CONVERT_RESULT_TO_PROTO_H_
#define DMFRAG_WORKER_CONVERT_RESULT_TO_PROTO_H_

#include <cstddef>

#include "dmfrag/v1/job_result.pb.h"
#include "worker/experiment/replay_comparison.h"
#include "worker/experiment/run_result.h"
#include "worker/workload/replay_input.h"

namespace dmfrag::convert {

// Largest encoded TimeSeries.
inline constexpr size_t kMaxTimeSeriesBytes = 64 << 10;

// A run's result. Metrics that do not apply stay absent.
v1::JobResult ResultFromRun(const experiment::RunResult& run);

// A replay's result.
v1::JobResult ResultFromReplay(const workload::ReplayInput& input, const experiment::ReplayComparison& comparison);

}  // namespace dmfrag::convert

#endif  // DMFRAG_WORKER_CONVERT_RESULT_TO_PROTO_H_
