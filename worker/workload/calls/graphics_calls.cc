#include "worker/workload/calls/graphics_calls.h"

#include <vector>

#include "worker/workload/calls/set_memory.h"

namespace dmfrag::workload {
namespace {

using model::FrameNumber;
using model::FrameRange;
using model::KernelRelease;

SetMemoryFunction FunctionOf(ArrayMemoryType type) {
  switch (type) {
    case ArrayMemoryType::kUncachedMinus:
      return SetMemoryFunction::kUc;
    case ArrayMemoryType::kWriteCombining:
      return SetMemoryFunction::kWc;
    case ArrayMemoryType::kWriteBack:
      return SetMemoryFunction::kWb;
  }
  return SetMemoryFunction::kWb;
}

std::vector<FrameRange> RunsOf(std::span<const FrameNumber> frames) {
  std::vector<FrameRange> runs;
  for (const FrameNumber frame : frames) {
    if (runs.empty() || runs.back().end != frame) runs.push_back({frame, frame});
    runs.back().end = frame + model::kFramesPer4K;
  }
  return runs;
}

}  // namespace

UserCalls SetPagesArray(std::span<const FrameNumber> frames, ArrayMemoryType type) {
  UserCalls calls;
  if (frames.empty()) return calls;
  const std::vector<FrameRange> runs = RunsOf(frames);
  // The masks of memory types are the same on every release.
  for (const AttributeChange& pass : AttributeChangesOf(FunctionOf(type), KernelRelease::k6_1)) {
    for (const FrameRange& run : runs) {
      DirectMapCall call;
      call.request.range = run;
      call.request.set = pass.set;
      call.request.clear = pass.clear;
      call.request.array = true;
      call.request.flush = false;
      calls.push_back(call);
    }
    calls.push_back(KernelRangeFlush{model::FrameCount(frames.size())});
  }
  return calls;
}

UserCalls SetPagesWb(FrameRange frames, KernelRelease release) {
  return SetMemory(SetMemoryFunction::kWb, frames, release);
}

}  // namespace dmfrag::workload
