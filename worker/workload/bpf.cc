#include "worker/workload/bpf.h"

#include "worker/workload/calls/bpf_calls.h"
#include "worker/workload/calls/vmalloc_calls.h"

namespace dmfrag::workload {
namespace {

using model::KernelRelease;

UserCalls LockImage(const UserPages& image, KernelRelease release) { return BpfImageLockRo(image.area, release); }
UserCalls FreeImage(const UserPages& image, KernelRelease release) {
  return VfreeWithPermissionReset(image.frames, release);
}
UserCalls AllocatePack(const UserPages& pack, KernelRelease release) { return BpfPackAllocate(pack.area, release); }
UserCalls FreePack(const UserPages& pack, KernelRelease release) {
  return BpfPackFree(pack.area, pack.frames, release);
}

constexpr Packs kPacks = {.bytes = kBpfPackBytes,
                          .chunk_bytes = kBpfPackChunkBytes,
                          .in_blocks = IsBpfPackInRoxCache,
                          .set = AllocatePack,
                          .reset = FreePack};
constexpr Permission kPermission = {.name = "bpf",
                                    .unit = Permission::Unit::kObject,
                                    .category = Permission::Category::kOne,
                                    .reach = Permission::Reach::kAccessible,
                                    .set = LockImage,
                                    .reset = FreeImage,
                                    .packs = &kPacks,
                                    .packs_since = KernelRelease::k6_1};  // 5.18

}  // namespace

ObjectTraffic BpfTraffic(const BpfConfig& config) {
  return {.interval_us = config.interval_us,
          .size_allocations = config.size_pages,
          .lifetime_us = config.lifetime_us,
          .detail = config.image_bytes,
          .order = model::Order(0),
          .type = model::Migratetype::kUnmovable,
          .permission = &kPermission};
}

}  // namespace dmfrag::workload
