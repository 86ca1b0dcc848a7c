#include "worker/workload/network.h"

#include "worker/model/migratetype.h"

namespace dmfrag::workload {

ObjectTraffic NetworkTraffic(const NetworkConfig& config) {
  return BlockTraffic(config, config.order, model::Migratetype::kUnmovable);
}

}  // namespace dmfrag::workload
