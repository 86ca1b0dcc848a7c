#include "worker/workload/anonymous.h"

#include "worker/model/migratetype.h"
#include "worker/model/units.h"

namespace dmfrag::workload {

ObjectTraffic AnonymousTraffic(const AnonymousConfig& config) {
  return {.interval_us = config.interval_us,
          .size_allocations = config.size_pages,
          .lifetime_us = config.lifetime_us,
          .order = model::Order(0),
          .type = model::Migratetype::kMovable};
}

}  // namespace dmfrag::workload
