#include "worker/workload/calls/secretmem_calls.h"

#include "worker/workload/calls/set_memory.h"

namespace dmfrag::workload {

UserCalls SecretmemFault(model::FrameNumber frame, model::KernelRelease release) {
  return {SetDirectMapInvalid(frame, release), KernelRangeFlush{model::kFramesPer4K}};
}

UserCalls SecretmemFree(std::span<const model::FrameNumber> frames) {
  UserCalls calls;
  calls.reserve(frames.size());
  for (const model::FrameNumber frame : frames) calls.push_back(SetDirectMapDefault(frame));
  return calls;
}

}  // namespace dmfrag::workload
