#ifndef DMFRAG_WORKER_MODEL_FREE_MEMORY_INDEX_H_
#define DMFRAG_WORKER_MODEL_FREE_MEMORY_INDEX_H_

#include <cstdint>

#include "worker/model/page_allocator.h"
#include "worker/model/units.h"

namespace dmfrag::model {

// Allocations of `order` that the free blocks of that order and more would serve, one after the other: in buddy lists
// alone, over all zones, watermarks left aside (/proc/buddyinfo).
uint64_t AllocationsServed(const PageAllocator& allocator, Order order);

// Which share of free memory is of no use for an allocation of `order`, since it lies in smaller blocks: 0 to 1000
// thousandths, rounded down; 1000 if no memory is free. Over all zones together, buddy lists alone.
// Source: mm/vmstat.c unusable_free_index, which the kernel prints for each zone apart (debugfs
// extfrag/unusable_index).
int64_t UnusableFreePerMille(const PageAllocator& allocator, Order order);

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_FREE_MEMORY_INDEX_H_
