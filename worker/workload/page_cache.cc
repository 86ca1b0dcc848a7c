#include "worker/workload/page_cache.h"

namespace dmfrag::workload {

ObjectTraffic PageCacheTraffic(const PageCacheConfig& config) {
  return {.interval_us = config.interval_us,
          .size_allocations = config.size_pages,
          .lifetime_us = Constant{~uint64_t{0}},
          .detail = Uniform{0, 99},
          .order = model::Order(0),
          .type = model::Migratetype::kMovable,
          .page_cache = true,
          .read_again_percent = config.read_again_percent};
}

}  // namespace dmfrag::workload
