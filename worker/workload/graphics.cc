#include "worker/workload/graphics.h"

#include "worker/model/migratetype.h"
#include "worker/workload/calls/graphics_calls.h"

namespace dmfrag::workload {
namespace {

UserCalls SetWriteCombining(const UserPages& pages, model::KernelRelease) {
  return SetPagesArray(pages.frames, ArrayMemoryType::kWriteCombining);
}
UserCalls SetUncached(const UserPages& pages, model::KernelRelease) {
  return SetPagesArray(pages.frames, ArrayMemoryType::kUncachedMinus);
}
UserCalls Reset(const UserPages& block, model::KernelRelease release) { return SetPagesWb(block.block(), release); }

constexpr Permission PermissionOf(PermissionCalls set) {
  return {.name = "graphics",
          .unit = Permission::Unit::kPool,
          .category = Permission::Category::kTwo,
          .reach = Permission::Reach::kAccessible,
          .set = set,
          .reset = Reset,
          .past_cache = true,
          .zeroes_freed = true};
}
constexpr Permission kWriteCombining = PermissionOf(SetWriteCombining);
constexpr Permission kUncached = PermissionOf(SetUncached);

}  // namespace

ObjectTraffic GraphicsTraffic(const GraphicsConfig& config) {
  const bool is_uncached = config.memory_type == GraphicsConfig::MemoryType::kUncached;
  ObjectTraffic traffic =
      BlockTraffic(config, config.order, model::Migratetype::kUnmovable, is_uncached ? &kUncached : &kWriteCombining);
  traffic.pool_per_mille = config.pool_per_mille;
  return traffic;
}

}  // namespace dmfrag::workload
