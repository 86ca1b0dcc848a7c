#ifndef DMFRAG_WORKER_WORKLOAD_SLAB_H_
#define DMFRAG_WORKER_WORKLOAD_SLAB_H_

#include "worker/model/units.h"
#include "worker/workload/distribution.h"
#include "worker/workload/object_traffic.h"

namespace dmfrag::workload {

// Slabs of the kernel's own objects.
//
// Source: mm/slub.c allocate_slab: blocks of an order by the objects' size, unmovable, or reclaimable for caches that a
// shrinker can empty (SLAB_RECLAIM_ACCOUNT). Simplifications: of one order, without SLUB's fall back to a smaller one;
// no shrinker takes reclaimable ones before their time.
struct SlabConfig {
  Distribution interval_us;
  model::Order order;
  Distribution size_allocations;
  Distribution lifetime_us;
  bool reclaimable = false;
};

ObjectTraffic SlabTraffic(const SlabConfig& config);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_SLAB_H_
