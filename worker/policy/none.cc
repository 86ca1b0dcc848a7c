#include "worker/policy/none.h"

namespace dmfrag::policy {

std::optional<model::FrameNumber> NoneCache::Allocate(const PageRequest& request) {
  return machine_->allocator().Allocate(model::Order(0), request.type);
}

void NoneCache::Free(model::FrameNumber frame) { machine_->allocator().Free(frame, model::Order(0)); }

}  // namespace dmfrag::policy
