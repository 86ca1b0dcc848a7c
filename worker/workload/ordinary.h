#ifndef DMFRAG_WORKER_WORKLOAD_ORDINARY_H_
#define DMFRAG_WORKER_WORKLOAD_ORDINARY_H_

#include "worker/model/migratetype.h"
#include "worker/model/units.h"
#include "worker/workload/distribution.h"
#include "worker/workload/object_traffic.h"

namespace dmfrag::workload {

// Traffic that changes no permission, such as anonymous and file pages and slab: it decides which frames are free when
// a user of permissions asks.
struct OrdinaryConfig {
  model::Migratetype type = model::Migratetype::kMovable;
  model::Order order;
  Distribution interval_us;
  Distribution size_allocations;
  Distribution lifetime_us;
};

ObjectTraffic OrdinaryTraffic(const OrdinaryConfig& config);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_ORDINARY_H_
