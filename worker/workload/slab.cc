#include "worker/workload/slab.h"

#include "worker/model/migratetype.h"

namespace dmfrag::workload {

ObjectTraffic SlabTraffic(const SlabConfig& config) {
  return BlockTraffic(config, config.order,
                      config.reclaimable ? model::Migratetype::kReclaimable : model::Migratetype::kUnmovable);
}

}  // namespace dmfrag::workload
