#include "worker/workload/calls/not_present_calls.h"

#include <variant>

namespace dmfrag::workload {
namespace {

using model::EntryFlags;

constexpr EntryFlags kPresentWritable(EntryFlags::kPresent | EntryFlags::kWritable);
constexpr EntryFlags kCacheMode(EntryFlags::kWriteThrough | EntryFlags::kCacheDisable | EntryFlags::kPat);

}  // namespace

UserCalls WithoutDirectMap(const UserCalls& calls, bool is_mapped_elsewhere) {
  UserCalls left;
  for (UserCall call : calls) {
    if (std::holds_alternative<DirectMapCall>(call)) continue;
    if (auto* request = std::get_if<model::VirtualAttributeRequest>(&call)) request->check_alias = false;
    if (std::holds_alternative<KernelRangeFlush>(call) && !is_mapped_elsewhere) continue;
    left.push_back(call);
  }
  return left;
}

UserCalls SetFromNotPresent(const UserCalls& set) {
  UserCalls calls;
  for (UserCall call : set) {
    auto* direct = std::get_if<DirectMapCall>(&call);
    if (direct == nullptr) {
      if (std::holds_alternative<model::VirtualAttributeRequest>(call)) calls.push_back(call);
      continue;
    }
    model::AttributeRequest& request = direct->request;
    request.set = request.set.With(kPresentWritable).Without(request.clear);
    request.clear = request.clear.Without(request.set);
    request.flush = request.flush && (request.set.raw() & kCacheMode.raw()) != 0;
    request.check_alias = false;
    calls.push_back(call);
  }
  return calls;
}

UserCalls ResetToNotPresent(std::span<const model::FrameNumber> frames) {
  UserCalls calls;
  for (const model::FrameNumber frame : frames) {
    DirectMapCall call;
    call.request.range = {frame, frame + model::kFramesPer4K};
    call.request.clear = EntryFlags::AllButNoExecute();
    call.request.flush = false;
    call.request.check_alias = false;
    calls.push_back(call);
  }
  calls.push_back(KernelRangeFlush{model::FrameCount(frames.size())});
  return calls;
}

}  // namespace dmfrag::workload
