#include "worker/workload/calls/memory_failure_calls.h"

#include "worker/workload/calls/set_memory.h"

namespace dmfrag::workload {
namespace {

model::FrameRange OnePage(model::FrameNumber frame) { return {frame, frame + model::kFramesPer4K}; }

}  // namespace

UserCalls SetMceNospec(model::FrameNumber frame, model::KernelRelease release) {
  return SetMemory(SetMemoryFunction::kNp, OnePage(frame), release);
}

UserCalls ClearMceNospec(model::FrameNumber frame, model::KernelRelease release) {
  return SetMemory(SetMemoryFunction::kP, OnePage(frame), release);
}

}  // namespace dmfrag::workload
