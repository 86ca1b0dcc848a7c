#ifndef DMFRAG_WORKER_MODEL_VMALLOC_SPACE_H_
#define DMFRAG_WORKER_MODEL_VMALLOC_SPACE_H_

#include <map>
#include <vector>

#include "worker/model/units.h"

namespace dmfrag::model {

// Addresses of vmalloc areas. Areas never touch: a page lies between two, as the kernel's guard page. Addresses that
// were given up are used again by areas of the same size, last given up first; the kernel's own choice (lowest first)
// has no effect on anything that is modelled. Page numbers count from the start of the vmalloc space.
// Thread-compatible. Takes a step per size of area in use.
class VmallocSpace {
 public:
  // REQUIRES: pages > 0; `alignment` is a power of two.
  VirtualRange Allocate(FrameCount pages, FrameCount alignment);
  // REQUIRES: Allocate gave `area`, and it was not freed since.
  void Free(VirtualRange area);

 private:
  VirtualPage next_;
  std::map<FrameCount, std::vector<VirtualPage>> free_;
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_VMALLOC_SPACE_H_
