#ifndef DMFRAG_WORKER_WORKLOAD_UNCACHED_H_
#define DMFRAG_WORKER_WORKLOAD_UNCACHED_H_

#include "worker/model/units.h"
#include "worker/workload/distribution.h"
#include "worker/workload/object_traffic.h"

namespace dmfrag::workload {

// Buffers that drivers map uncached.
//
// Source: arch/x86/mm/pat/set_memory.c set_pages_uc, set_pages_wb over each block: a whole 2M entry keeps its size.
// Blocks of an order, GFP_KERNEL (unmovable). Order 0 comes through the cache; larger blocks come from the page
// allocator, since caches have single pages alone.
struct UncachedConfig {
  Distribution interval_us;
  model::Order order;
  Distribution size_allocations;
  Distribution lifetime_us;
};

ObjectTraffic UncachedTraffic(const UncachedConfig& config);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_UNCACHED_H_
