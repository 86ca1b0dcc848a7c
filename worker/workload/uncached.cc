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
  return BlockTraffic(config, config.order, model::Migratetype::kUnmovable, &kPermission);
}

}  // namespace dmfrag::workload
