#include "worker/workload/trampoline.h"

#include "worker/workload/calls/set_memory.h"
#include "worker/workload/calls/vmalloc_calls.h"
#include "worker/workload/rox_cache.h"

namespace dmfrag::workload {
namespace {

UserCalls MakeExecutable(const UserPages& pages, model::KernelRelease release) {
  return SetMemory(SetMemoryFunction::kRox, pages.area, release);
}
UserCalls Free(const UserPages& pages, model::KernelRelease release) {
  return VfreeWithPermissionReset(pages.frames, release);
}

constexpr Permission kPermission = {.name = "trampoline",
                                    .unit = Permission::Unit::kObject,
                                    .set = MakeExecutable,
                                    .reset = Free,
                                    .packs = &kRoxCache,
                                    .packs_since = model::KernelRelease::k6_18};  // 6.17

}  // namespace

ObjectTraffic TrampolineTraffic(const TrampolineConfig& config) {
  return PageTraffic(config, model::Migratetype::kUnmovable, &kPermission);
}

}  // namespace dmfrag::workload
