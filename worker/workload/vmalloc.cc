#include "worker/workload/vmalloc.h"

#include "worker/workload/calls/set_memory.h"
#include "worker/workload/calls/vmalloc_calls.h"

namespace dmfrag::workload {
namespace {

UserCalls MakeReadOnly(const UserPages& pages, model::KernelRelease release) {
  return SetMemory(SetMemoryFunction::kRo, pages.area, release);
}
UserCalls Free(const UserPages& pages, model::KernelRelease release) {
  return VfreeWithPermissionReset(pages.frames, release);
}

constexpr Permission kPermission = {
    .name = "vmalloc", .unit = Permission::Unit::kObject, .set = MakeReadOnly, .reset = Free};

}  // namespace

ObjectTraffic VmallocTraffic(const VmallocConfig& config) {
  return PageTraffic(config, model::Migratetype::kUnmovable, &kPermission);
}

}  // namespace dmfrag::workload
