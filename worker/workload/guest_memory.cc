#include "worker/workload/guest_memory.h"

#include "worker/model/migratetype.h"
#include "worker/model/units.h"
#include "worker/workload/calls/secretmem_calls.h"

namespace dmfrag::workload {
namespace {

UserCalls Set(const UserPages& page, model::KernelRelease release) {
  return SecretmemFault(page.frames.front(), release);
}
UserCalls Reset(const UserPages& page, model::KernelRelease) { return SecretmemFree(page.frames); }

constexpr Permission kPermission = {.name = "guest_memory",
                                    .unit = Permission::Unit::kBlock,
                                    .category = Permission::Category::kOne,
                                    .reach = Permission::Reach::kNeither,
                                    .set = Set,
                                    .reset = Reset,
                                    .by_page = true,
                                    .zeroes_new = true};

}  // namespace

ObjectTraffic GuestMemoryTraffic(const GuestMemoryConfig& config) {
  return PageTraffic(config, model::Migratetype::kUnmovable, &kPermission);
}

}  // namespace dmfrag::workload
