#include "worker/workload/huge_page.h"

#include "worker/model/migratetype.h"
#include "worker/model/units.h"

namespace dmfrag::workload {

ObjectTraffic HugePageTraffic(const HugePageConfig& config) {
  return {.interval_us = config.interval_us,
          .size_allocations = config.size_allocations,
          .lifetime_us = config.lifetime_us,
          .order = model::kPageblockOrder,
          .type = model::Migratetype::kMovable};
}

}  // namespace dmfrag::workload
