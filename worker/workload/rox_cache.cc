#include "worker/workload/rox_cache.h"

#include "worker/workload/calls/execmem_calls.h"

namespace dmfrag::workload {
namespace {

using model::KernelRelease;

bool IsInBlocks(KernelRelease) { return true; }
UserCalls Populate(const UserPages& pack, KernelRelease release) { return ExecmemPopulate(pack.area, release); }
UserCalls Clean(const UserPages& pack, KernelRelease) { return ExecmemCleanRuns(pack.frames); }
UserCalls TakePart(const UserPages& part, KernelRelease release) { return ExecmemForceRw(part.area, release); }
UserCalls RestorePart(const UserPages& part, KernelRelease release) { return ExecmemRestoreRox(part.area, release); }
UserCalls FreePart(const UserPages& part, KernelRelease release) { return ExecmemFree(part.area, release); }

}  // namespace

constexpr Packs kRoxCache = {.bytes = model::kFramesPer2M.raw() * model::kFrameBytes,
                             .chunk_bytes = model::kFrameBytes,
                             .in_blocks = IsInBlocks,
                             .set = Populate,
                             .reset = Clean,
                             .take = TakePart,
                             .restore = RestorePart,
                             .give_back = FreePart};

}  // namespace dmfrag::workload
