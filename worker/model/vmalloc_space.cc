#include "worker/model/vmalloc_space.h"

namespace dmfrag::model {
namespace {

// VM_AREA's guard page (mm/vmalloc.c get_vm_area).
constexpr FrameCount kGuard(1);

}  // namespace

VirtualRange VmallocSpace::Allocate(FrameCount pages, FrameCount alignment) {
  std::vector<VirtualPage>& free = free_[pages];
  if (!free.empty() && free.back().IsAligned(alignment)) {
    const VirtualPage first = free.back();
    free.pop_back();
    return {first, first + pages};
  }
  const VirtualPage first = next_.AlignedUp(alignment);
  next_ = first + pages + kGuard;
  return {first, first + pages};
}

void VmallocSpace::Free(VirtualRange area) { free_[area.count()].push_back(area.first); }

}  // namespace dmfrag::model
