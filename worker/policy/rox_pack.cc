#include "worker/policy/rox_pack.h"

#include <vector>

#include "worker/policy/uncached.h"

namespace dmfrag::policy {

std::optional<CachedPage> RoxPackCache::Allocate(const PageRequest& request) {
  if (request.order < model::kPageblockOrder) return AllocateUncached(*machine_, request);
  const std::vector<model::FrameRange> block = blocks_->Take(request.order, request.type);
  if (block.empty()) return std::nullopt;
  machine_->allocator().JoinAllocated(block.front().first, request.order);
  return CachedPage{block.front().first};
}

}  // namespace dmfrag::policy
