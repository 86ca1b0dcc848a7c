#include "worker/workload/calls/bpf_calls.h"

#include "worker/workload/calls/execmem_calls.h"
#include "worker/workload/calls/set_memory.h"
#include "worker/workload/calls/vmalloc_calls.h"

namespace dmfrag::workload {

using model::KernelRelease;
using model::VirtualRange;

UserCalls BpfImageLockRo(VirtualRange image, KernelRelease release) {
  UserCalls calls = SetMemory(SetMemoryFunction::kRo, image, release);
  Append(SetMemory(SetMemoryFunction::kX, image, release), calls);
  return calls;
}

UserCalls BpfProgramLockRo(VirtualRange program, KernelRelease release) {
  return SetMemory(SetMemoryFunction::kRo, program, release);
}

UserCalls BpfPackAllocate(VirtualRange pack, KernelRelease release) {
  return SetMemory(SetMemoryFunction::kRox, pack, release);
}

bool IsBpfPackInRoxCache(KernelRelease release) { return release >= KernelRelease::k7_3; }

UserCalls BpfPackFree(VirtualRange pack, std::span<const model::FrameNumber> frames, KernelRelease release) {
  if (!IsBpfPackInRoxCache(release)) return VfreeWithPermissionReset(frames, release);
  UserCalls calls = ExecmemFree(pack, release);
  Append(ExecmemCleanRuns(frames), calls);
  return calls;
}

}  // namespace dmfrag::workload
