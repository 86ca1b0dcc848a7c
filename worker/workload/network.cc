#include "worker/workload/network.h"

#include "worker/model/migratetype.h"

namespace dmfrag::workload {

ObjectTraffic NetworkTraffic(const NetworkConfig& config) {
  return {.interval_us = config.interval_us,
          .size_allocations = config.size_allocations,
          .lifetime_us = config.lifetime_us,
          .order = config.order,
          .type = model::Migratetype::kUnmovable};
}

}  // namespace dmfrag::workload
