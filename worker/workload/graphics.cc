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
  return {.interval_us = config.interval_us,
          .size_allocations = config.size_allocations,
          .lifetime_us = config.lifetime_us,
          .order = config.order,
          .type = model::Migratetype::kUnmovable,
          .permission = config.memory_type == GraphicsConfig::MemoryType::kUncached ? &kUncached : &kWriteCombining,
          .pool_per_mille = config.pool_per_mille};
}

}  // namespace dmfrag::workload
