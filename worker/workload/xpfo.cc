#include "worker/workload/xpfo.h"

#include "worker/model/migratetype.h"
#include "worker/model/units.h"
#include "worker/workload/calls/xpfo_calls.h"

namespace dmfrag::workload {
namespace {

UserCalls Set(const UserPages& page, model::KernelRelease) { return XpfoAllocate(page.frames.front()); }
UserCalls Reset(const UserPages& page, model::KernelRelease) { return XpfoFree(page.frames.front()); }

constexpr Permission kPermission = {.name = "xpfo",
                                    .unit = Permission::Unit::kBlock,
                                    .category = Permission::Category::kOne,
                                    .reach = Permission::Reach::kMovable,
                                    .set = Set,
                                    .reset = Reset,
                                    .by_page = true,
                                    .zeroes_new = true};

}  // namespace

ObjectTraffic XpfoTraffic(const XpfoConfig& config) {
  return PageTraffic(config, model::Migratetype::kMovable, &kPermission);
}

}  // namespace dmfrag::workload
