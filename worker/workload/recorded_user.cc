#include "worker/workload/recorded_user.h"

#include <utility>

#include "worker/model/migratetype.h"
#include "worker/workload/calls/set_memory.h"
#include "worker/workload/calls/vmalloc_calls.h"

namespace dmfrag::workload {
namespace {

UserCalls MakeReadOnly(const UserPages& pages, model::KernelRelease release) {
  return SetMemory(SetMemoryFunction::kRo, pages.block(), release);
}
UserCalls Free(const UserPages& pages, model::KernelRelease release) {
  return VfreeWithPermissionReset(pages.frames, release);
}

}  // namespace

Permission CodePagePermission() {
  return {.name = "code_page", .unit = Permission::Unit::kBlock, .set = MakeReadOnly, .reset = Free};
}

RecordedUser RecordedUserOf(std::string name, const ObjectTraffic& of_kind) {
  RecordedUser user{std::move(name), std::nullopt};
  if (of_kind.permission == nullptr) return user;
  switch (of_kind.permission->unit) {
    case Permission::Unit::kBlock:
    case Permission::Unit::kPool:
      user.permission = *of_kind.permission;
      user.permission->unit = Permission::Unit::kBlock;
      user.permission->free_batch = 0;
      break;
    case Permission::Unit::kObject:
    case Permission::Unit::kModule:
      user.permission = CodePagePermission();
      break;
  }
  return user;
}

RecordedUser HeldUserOf(const RecordedUser& user) {
  RecordedUser held{"held:" + user.name, user.permission};
  if (held.permission.has_value()) held.permission->past_cache = true;
  return held;
}

ObjectTraffic TrafficOf(const RecordedUser& user) {
  ObjectTraffic traffic;
  traffic.order = model::Order(0);
  traffic.type = model::Migratetype::kMovable;  // each operation says its own
  traffic.permission = user.permission.has_value() ? &*user.permission : nullptr;
  return traffic;
}

}  // namespace dmfrag::workload
