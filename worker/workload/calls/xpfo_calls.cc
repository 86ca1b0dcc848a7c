#include "worker/workload/calls/xpfo_calls.h"

#include "worker/model/entry_flags.h"

namespace dmfrag::workload {
namespace {

// set_kpte.
DirectMapCall SetEntry(model::FrameNumber frame, model::EntryFlags set, model::EntryFlags clear) {
  DirectMapCall call;
  call.request.range = {frame, frame + model::kFramesPer4K};
  call.request.set = set;
  call.request.clear = clear;
  call.request.flush = false;
  call.request.check_alias = false;
  return call;
}

}  // namespace

UserCalls XpfoAllocate(model::FrameNumber frame) {
  return {SetEntry(frame, {}, model::EntryFlags::PageKernel()), KernelRangeFlush{model::kFramesPer4K}};
}

UserCalls XpfoFree(model::FrameNumber frame) { return {SetEntry(frame, model::EntryFlags::PageKernel(), {})}; }

}  // namespace dmfrag::workload
