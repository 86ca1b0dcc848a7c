#include "worker/policy/uncached.h"

namespace dmfrag::policy {

std::optional<CachedPage> AllocateUncached(model::Machine& machine, const PageRequest& request) {
  const std::optional<model::FrameNumber> block = machine.allocator().Allocate(request.order, request.type);
  if (!block.has_value()) return std::nullopt;
  if (request.can_sleep || machine.direct_map().Lookup(*block)->level == model::MapLevel::k4K) {
    return CachedPage{*block};
  }
  machine.allocator().Free(*block, request.order);
  ++machine.account().atomic_denials;
  return std::nullopt;
}

}  // namespace dmfrag::policy
