#include "worker/workload/slab.h"

#include "worker/model/migratetype.h"

namespace dmfrag::workload {

ObjectTraffic SlabTraffic(const SlabConfig& config) {
  return {.interval_us = config.interval_us,
          .size_allocations = config.size_allocations,
          .lifetime_us = config.lifetime_us,
          .order = config.order,
          .type = config.reclaimable ? model::Migratetype::kReclaimable : model::Migratetype::kUnmovable};
}

}  // namespace dmfrag::workload
