#ifndef DMFRAG_WORKER_WORKLOAD_DMA_H_
#define DMFRAG_WORKER_WORKLOAD_DMA_H_

#include "worker/model/units.h"
#include "worker/workload/distribution.h"
#include "worker/workload/object_traffic.h"

namespace dmfrag::workload {

// DMA buffers of a confidential guest, which it shares with its host.
//
// Source: kernel/dma/direct.c dma_direct_alloc, dma_direct_free: set_memory_decrypted over each block, which is cleared
// afterwards, and set_memory_encrypted before it is freed. Blocks of an order, GFP_KERNEL (unmovable). Order 0 comes
// through the cache; larger blocks come from the page allocator, since caches have single pages alone.
struct DmaConfig {
  Distribution interval_us;
  model::Order order;
  Distribution size_allocations;
  Distribution lifetime_us;
};

ObjectTraffic DmaTraffic(const DmaConfig& config);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_DMA_H_
