#include "worker/workload/ordinary.h"

namespace dmfrag::workload {

ObjectTraffic OrdinaryTraffic(const OrdinaryConfig& config) {
  return {.interval_us = config.interval_us,
          .size_allocations = config.size_allocations,
          .lifetime_us = config.lifetime_us,
          .order = config.order,
          .type = config.type};
}

}  // namespace dmfrag::workload
