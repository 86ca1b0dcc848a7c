#include "worker/workload/anonymous.h"

#include "worker/model/migratetype.h"
#include "worker/model/units.h"

namespace dmfrag::workload {

ObjectTraffic AnonymousTraffic(const AnonymousConfig& config) {
  return PageTraffic(config, model::Migratetype::kMovable);
}

}  // namespace dmfrag::workload
