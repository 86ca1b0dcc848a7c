#include "worker/workload/calls/encryption_calls.h"

#include "worker/model/entry_flags.h"

namespace dmfrag::workload {
namespace {

constexpr model::EntryFlags kShared(model::EntryFlags::kShared);

UserCalls Change(model::FrameRange frames, model::EntryFlags set, model::EntryFlags clear) {
  DirectMapCall call;
  call.request.range = frames;
  call.request.set = set;
  call.request.clear = clear;
  call.request.flush = false;
  return {KernelRangeFlush{frames.count()}, call, KernelRangeFlush{frames.count()}};
}

}  // namespace

UserCalls SetMemoryDecrypted(model::FrameRange frames) { return Change(frames, kShared, {}); }

UserCalls SetMemoryEncrypted(model::FrameRange frames) { return Change(frames, {}, kShared); }

}  // namespace dmfrag::workload
