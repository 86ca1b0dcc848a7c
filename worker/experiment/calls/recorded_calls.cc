#include "worker/experiment/calls/recorded_calls.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace dmfrag::experiment {
namespace {

using model::EntryFlags;
using workload::CpaCall;
using workload::DirectMapCall;

constexpr EntryFlags kPresentWritable(EntryFlags::kPresent | EntryFlags::kWritable);

bool IsSetDirectMap(CpaCall::Op op) {
  return op == CpaCall::Op::kSetDirectMapInvalid || op == CpaCall::Op::kSetDirectMapDefault;
}

// The CPA call inside set_direct_map_*, of which the row of the function itself stands for both. It has a row of its
// own if another task came in between the two. No set_memory function changes PRESENT and WRITABLE together.
bool IsInsideSetDirectMap(const CpaCall& row) {
  if (row.op != CpaCall::Op::kChange) return false;
  return (row.set == kPresentWritable && row.clear.empty()) ||
         (row.set.empty() && kPresentWritable.Without(row.clear).empty());
}

}  // namespace

absl::StatusOr<std::vector<DirectMapCall>> ExpandCalls(const workload::ReplayStep& step, size_t max_calls) {
  std::vector<DirectMapCall> calls;
  for (const CpaCall& row : step.calls) {
    if (row.count > max_calls - calls.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("capture, step ", step.index, ": too many recorded calls to compare; split the capture"));
    }
    if (IsInsideSetDirectMap(row)) continue;
    DirectMapCall call;
    call.op = row.op;
    call.request.set = row.set;
    call.request.clear = row.clear;
    for (uint64_t i = 0; i < row.count; ++i) {
      const auto offset = static_cast<uint64_t>(row.step * static_cast<int64_t>(i));
      call.request.range.first = model::FrameNumber(row.first.raw() + offset);
      call.request.range.end = call.request.range.first + row.pages_each;
      calls.push_back(call);
    }
  }
  return calls;
}

bool IsRecordOf(const DirectMapCall& recorded, const DirectMapCall& generated) {
  if (recorded.op != generated.op || recorded.request.range != generated.request.range) return false;
  if (IsSetDirectMap(recorded.op)) return true;
  return recorded.request.set == generated.request.set && recorded.request.clear == generated.request.clear;
}

}  // namespace dmfrag::experiment
