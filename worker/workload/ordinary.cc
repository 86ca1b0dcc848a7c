#include "worker/workload/ordinary.h"

namespace dmfrag::workload {

ObjectTraffic OrdinaryTraffic(const OrdinaryConfig& config) { return BlockTraffic(config, config.order, config.type); }

}  // namespace dmfrag::workload
