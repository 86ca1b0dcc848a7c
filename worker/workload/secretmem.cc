#include "worker/workload/secretmem.h"

#include "worker/workload/calls/secretmem_calls.h"

namespace dmfrag::workload {

namespace {

UserCalls Touch(const UserPages& page, model::KernelRelease release) {
  return SecretmemFault(page.frames.front(), release);
}
UserCalls Free(const UserPages& page, model::KernelRelease) { return SecretmemFree(page.frames); }

constexpr Permission kPermission = {.name = "secretmem",
                                    .unit = Permission::Unit::kBlock,
                                    .category = Permission::Category::kOne,
                                    .reach = Permission::Reach::kNeither,
                                    .set = Touch,
                                    .reset = Free,
                                    .by_page = true,
                                    .zeroes_new = true,
                                    .zeroes_freed = true};

}  // namespace

ObjectTraffic SecretmemTraffic(const SecretmemConfig& config) {
  return PageTraffic(config, model::Migratetype::kUnmovable, &kPermission);
}

}  // namespace dmfrag::workload
