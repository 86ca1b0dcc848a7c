#ifndef DMFRAG_WORKER_EXPERIMENT_ALLOCATOR_COMPARISON_H_
#define DMFRAG_WORKER_EXPERIMENT_ALLOCATOR_COMPARISON_H_

#include <cstdint>
#include <string>

#include "worker/model/allocator_snapshot.h"

namespace dmfrag::experiment {

// How far two states of an allocator agree. A list counts if either holds something in it, and is equal if it holds the
// same blocks in the same order.
struct AllocatorComparison {
  uint64_t lists = 0;  // free lists
  uint64_t lists_equal = 0;
  uint64_t per_cpu_lists = 0;
  uint64_t per_cpu_lists_equal = 0;
  uint64_t highs = 0;  // `high` of a processor's lists in a zone
  uint64_t highs_equal = 0;
  uint64_t blocks = 0;  // pageblocks
  uint64_t blocks_equal = 0;
  std::string first_difference;  // for people; empty: none

  bool AllEqual() const {
    return lists == lists_equal && per_cpu_lists == per_cpu_lists_equal && highs == highs_equal &&
           blocks == blocks_equal;
  }
};

// Zones are matched by their bounds; a zone that only one has counts as different throughout.
AllocatorComparison CompareAllocators(const model::AllocatorSnapshot& kernel, const model::AllocatorSnapshot& model);

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_ALLOCATOR_COMPARISON_H_
