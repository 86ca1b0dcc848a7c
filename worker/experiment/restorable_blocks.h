#ifndef DMFRAG_WORKER_EXPERIMENT_RESTORABLE_BLOCKS_H_
#define DMFRAG_WORKER_EXPERIMENT_RESTORABLE_BLOCKS_H_

#include <cstdint>

#include "worker/model/direct_map.h"
#include "worker/model/page_allocator.h"

namespace dmfrag::experiment {

// 2M blocks of the direct map that were split since boot, and whose 512 frames are all free now, on buddy or per-CPU
// lists: a page allocator that puts large pages together where blocks coalesce could mend these, once per-CPU lists are
// drained (the seed letter's proposal, and the reason it failed: a block that holds its own page table is never free).
// Whether the entries are equal, as some designs ask, is left aside. Pages idle in a cache are not free. Takes up to
// 512 steps a split block.
uint64_t CountRestorableBlocks(const model::DirectMap& map, const model::PageAllocator& allocator);

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_RESTORABLE_BLOCKS_H_
