#include "worker/workload/calls/execmem_calls.h"

#include "worker/workload/calls/set_memory.h"

namespace dmfrag::workload {

using model::KernelRelease;
using model::VirtualRange;

UserCalls ExecmemPopulate(VirtualRange block, KernelRelease release) {
  return SetMemory(SetMemoryFunction::kRox, block, release);
}

UserCalls ExecmemForceRw(VirtualRange part, KernelRelease release) {
  UserCalls calls = SetMemory(SetMemoryFunction::kNx, part, release);
  Append(SetMemory(SetMemoryFunction::kRw, part, release), calls);
  return calls;
}

UserCalls ExecmemRestoreRox(VirtualRange part, KernelRelease release) {
  return SetMemory(SetMemoryFunction::kRox, part, release);
}

UserCalls ExecmemFree(VirtualRange part, KernelRelease release) {
  if (release < KernelRelease::k6_18) return {};
  UserCalls calls = ExecmemForceRw(part, release);
  Append(ExecmemRestoreRox(part, release), calls);
  return calls;
}

UserCalls ExecmemClean(model::FrameRange frames) { return {SetDirectMapValid(frames)}; }

UserCalls ExecmemCleanRuns(std::span<const model::FrameNumber> frames) {
  UserCalls calls;
  for (size_t first = 0; first < frames.size();) {
    size_t end = first + 1;
    while (end < frames.size() && frames[end] == frames[end - 1] + model::kFramesPer4K) ++end;
    Append(ExecmemClean({frames[first], frames[end - 1] + model::kFramesPer4K}), calls);
    first = end;
  }
  return calls;
}

}  // namespace dmfrag::workload
