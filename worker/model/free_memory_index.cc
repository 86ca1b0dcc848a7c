#include "worker/model/free_memory_index.h"

namespace dmfrag::model {

uint64_t AllocationsServed(const PageAllocator& allocator, Order order) {
  uint64_t served = 0;
  for (unsigned larger = order.raw(); larger <= kMaxOrder.raw(); ++larger) {
    served += allocator.FreeBlocks(Order(larger)) << (larger - order.raw());
  }
  return served;
}

int64_t UnusableFreePerMille(const PageAllocator& allocator, Order order) {
  const uint64_t free = allocator.free_frames().raw();
  if (free == 0) return 1000;
  const uint64_t usable = AllocationsServed(allocator, order) << order.raw();
  return static_cast<int64_t>((free - usable) * 1000 / free);
}

}  // namespace dmfrag::model
