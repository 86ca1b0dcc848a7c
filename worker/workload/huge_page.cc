#include "worker/workload/huge_page.h"

#include "worker/model/migratetype.h"
#include "worker/model/units.h"

namespace dmfrag::workload {

ObjectTraffic HugePageTraffic(const HugePageConfig& config) {
  return BlockTraffic(config, model::kPageblockOrder, model::Migratetype::kMovable);
}

}  // namespace dmfrag::workload
