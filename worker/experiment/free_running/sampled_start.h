#ifndef DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_SAMPLED_START_H_
#define DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_SAMPLED_START_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/model/allocator_rules.h"
#include "worker/model/allocator_snapshot.h"
#include "worker/model/direct_map.h"
#include "worker/model/memory_map.h"
#include "worker/model/numa_topology.h"
#include "worker/model/units.h"
#include "worker/workload/page_type_info.h"
#include "worker/workload/random.h"

namespace dmfrag::experiment {

// What is known of an allocator whose lists were not dumped.
struct StartCounts {
  model::MemoryMap memory;
  model::FrameCount mem_total;                  // MemTotal: frames that all zones manage
  std::vector<workload::ZoneTypeCounts> zones;  // with a topology of one node, zones of the same name are joined
  model::NumaTopology topology;
  model::AllocatorRules rules;
};

// One state of the allocator that agrees with the counts: free blocks by zone, order and type, pageblocks by type. What
// the counts leave open is drawn, or set as kernels that did dump their lists had it (see the constants in the source):
// 2M blocks that `map` has split are unmovable ones; the other unmovable blocks are one run below the free memory,
// whose last blocks hold what unmovable memory is free; per-CPU lists of each node's own processors hold the
// frames below those. The same `random` gives the same state.
//
// A count that has no place (more free blocks than memory of that type) is cut: the sum stays below the counts then.
// Errors: kInvalidArgument if there are no counts, or MemTotal is zero or more than the memory map has.
absl::StatusOr<model::AllocatorSnapshot> SampleStart(const StartCounts& counts, const model::DirectMap& map,
                                                     workload::Random random);

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_SAMPLED_START_H_
