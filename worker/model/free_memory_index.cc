#include "worker/model/free_memory_index.h"

namespace dmfrag::model {

int64_t UnusableFreePerMille(const PageAllocator& allocator, Order order) {
  const uint64_t free = allocator.free_frames().raw();
  if (free == 0) return 1000;
  uint64_t usable = 0;
  for (unsigned larger = order.raw(); larger <= kMaxOrder.raw(); ++larger) {
    usable += allocator.FreeBlocks(Order(larger)) << larger;
  }
  return static_cast<int64_t>((free - usable) * 1000 / free);
}

}  // namespace dmfrag::model
