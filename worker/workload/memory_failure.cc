#include "worker/workload/memory_failure.h"

#include "worker/model/migratetype.h"
#include "worker/model/units.h"
#include "worker/workload/calls/memory_failure_calls.h"

namespace dmfrag::workload {
namespace {

UserCalls Set(const UserPages& page, model::KernelRelease release) {
  return SetMceNospec(page.frames.front(), release);
}
UserCalls Reset(const UserPages& page, model::KernelRelease release) {
  return ClearMceNospec(page.frames.front(), release);
}

constexpr Permission kPermission = {.name = "memory_failure",
                                    .unit = Permission::Unit::kBlock,
                                    .category = Permission::Category::kOne,
                                    .reach = Permission::Reach::kNeither,
                                    .set = Set,
                                    .reset = Reset,
                                    .by_page = true,
                                    .past_cache = true};

}  // namespace

ObjectTraffic MemoryFailureTraffic(const MemoryFailureConfig& config) {
  return PageTraffic(config, model::Migratetype::kUnmovable, &kPermission);
}

}  // namespace dmfrag::workload
