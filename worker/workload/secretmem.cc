#include "worker/workload/secretmem.h"

namespace dmfrag::workload {

ObjectTraffic SecretmemTraffic(const SecretmemConfig& config) {
  return {.interval_us = config.interval_us,
          .size_allocations = config.size_pages,
          .lifetime_us = config.lifetime_us,
          .order = model::Order(0),
          .type = model::Migratetype::kUnmovable,
          .protection = Protection::kSecretmem};
}

}  // namespace dmfrag::workload
