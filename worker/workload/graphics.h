#ifndef DMFRAG_WORKER_WORKLOAD_GRAPHICS_H_
#define DMFRAG_WORKER_WORKLOAD_GRAPHICS_H_

#include <cstdint>

#include "worker/model/units.h"
#include "worker/workload/distribution.h"
#include "worker/workload/object_traffic.h"

namespace dmfrag::workload {

// Buffers of graphics drivers, whose blocks come from a pool that keeps them with their memory type.
//
// Source: drivers/gpu/drm/ttm/ttm_pool.c: blocks of an order, unmovable; new ones are changed page by page
// (set_pages_array_wc, _uc), so that no large page stays; the pool clears a block when it takes it, and makes it
// write-back as a range (set_pages_wb) when its shrinker gives it up. Simplification: that the page allocator clears
// new blocks (a buffer of a program) is not counted.
struct GraphicsConfig {
  enum class MemoryType { kWriteCombining, kUncached };

  Distribution interval_us;
  model::Order order;
  Distribution size_allocations;
  Distribution lifetime_us;
  MemoryType memory_type = MemoryType::kWriteCombining;
  uint32_t pool_per_mille = 0;  // 0 to 1000: of the machine's pages, that the pool keeps at most
};

ObjectTraffic GraphicsTraffic(const GraphicsConfig& config);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_GRAPHICS_H_
