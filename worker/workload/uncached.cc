#include "worker/workload/uncached.h"

#include "worker/model/migratetype.h"
#include "worker/model/units.h"
#include "worker/workload/calls/set_memory.h"

namespace dmfrag::workload {
namespace {

UserCalls Set(const UserPages& pages, model::KernelRelease release) {
  return SetMemory(SetMemoryFunction::kUc, pages.block(), release);
}
UserCalls Reset(const UserPages& pages, model::KernelRelease release) {
  return SetMemory(SetMemoryFunction::kWb, pages.block(), release);
}

constexpr Permission kPermission = {
    .name = "uncached",
    .unit = Permission::Unit::kBlock,
    .category = Permission::Category::kTwo,
    .reach = Permission::Reach::kAccessible,
    .set = Set,
    .reset = Reset,
};

}  // namespace

ObjectTraffic UncachedTraffic(const UncachedConfig& config) {
  return {.interval_us = config.interval_us,
          .size_allocations = config.size_allocations,
          .lifetime_us = config.lifetime_us,
          .order = config.order,
          .type = model::Migratetype::kUnmovable,
          .permission = &kPermission};
}

}  // namespace dmfrag::workload
