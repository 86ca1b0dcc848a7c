#include "worker/workload/dma.h"

#include "worker/model/migratetype.h"
#include "worker/model/units.h"
#include "worker/workload/calls/encryption_calls.h"

namespace dmfrag::workload {
namespace {

UserCalls Set(const UserPages& pages, model::KernelRelease) { return SetMemoryDecrypted(pages.block()); }
UserCalls Reset(const UserPages& pages, model::KernelRelease) { return SetMemoryEncrypted(pages.block()); }

constexpr Permission kPermission = {.name = "dma",
                                    .unit = Permission::Unit::kBlock,
                                    .category = Permission::Category::kTwo,
                                    .reach = Permission::Reach::kAccessible,
                                    .set = Set,
                                    .reset = Reset,
                                    .zeroes_new = true};

}  // namespace

ObjectTraffic DmaTraffic(const DmaConfig& config) {
  return BlockTraffic(config, config.order, model::Migratetype::kUnmovable, &kPermission);
}

}  // namespace dmfrag::workload
