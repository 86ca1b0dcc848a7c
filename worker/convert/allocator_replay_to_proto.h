#ifndef DMFRAG_WORKER_CONVERT_ALLOCATOR_REPLAY_TO_PROTO_H_
#define DMFRAG_WORKER_CONVERT_ALLOCATOR_REPLAY_TO_PROTO_H_

#include <cstdint>

#include "dmfrag/v1/job_result.pb.h"
#include "worker/experiment/allocator_replay.h"
#include "worker/workload/replay_input.h"

namespace dmfrag::convert {

// The result of a replay of a trace from the dump at `start_step`. It has no metrics: the direct map plays no part.
v1::JobResult ResultFromAllocatorReplay(const workload::ReplayInput& input, int32_t start_step,
                                        const experiment::AllocatorReplayResult& replay);

}  // namespace dmfrag::convert

#endif  // DMFRAG_WORKER_CONVERT_ALLOCATOR_REPLAY_TO_PROTO_H_
