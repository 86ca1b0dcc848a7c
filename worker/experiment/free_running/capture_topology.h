#ifndef DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_CAPTURE_TOPOLOGY_H_
#define DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_CAPTURE_TOPOLOGY_H_

#include "worker/model/numa_topology.h"
#include "worker/workload/replay_input.h"

namespace dmfrag::experiment {

// Nodes as the kernel's log names them, with equal shares of the processors, in blocks (as the SRAT lines of the 6.1
// captures say, and pages of pinned threads in all). One node if none is named, or nodes are interleaved.
// Thread-safe.
model::NumaTopology TopologyOf(const workload::ReplayInput& input);

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_CAPTURE_TOPOLOGY_H_
