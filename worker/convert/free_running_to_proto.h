#ifndef DMFRAG_WORKER_CONVERT_FREE_RUNNING_TO_PROTO_H_
#define DMFRAG_WORKER_CONVERT_FREE_RUNNING_TO_PROTO_H_

#include <vector>

#include "dmfrag/v1/job_result.pb.h"
#include "worker/experiment/free_running/free_running.h"
#include "worker/workload/kernel_capture.h"
#include "worker/workload/page_type_info.h"

namespace dmfrag::convert {

// The result of a replay that left `start` with the model's own frames, beside what the capture recorded: `counts` are
// all of the capture's.
v1::JobResult ResultFromFreeRunning(const workload::KernelCapture& capture,
                                    const std::vector<workload::FreeCounts>& counts, const workload::FreeCounts& start,
                                    const experiment::FreeRunningResult& run);

}  // namespace dmfrag::convert

#endif  // DMFRAG_WORKER_CONVERT_FREE_RUNNING_TO_PROTO_H_
