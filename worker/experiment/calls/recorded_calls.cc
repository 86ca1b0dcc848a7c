#include "worker/experiment/calls/recorded_calls.h"

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace dmfrag::experiment {
namespace {

using model::EntryFlags;
using workload::CpaCall;
using workload::DirectMapCall;

constexpr size_t kMaxCalls = size_t{1} << 23;
constexpr EntryFlags kPresentWritable(EntryFlags::kPresent | EntryFlags::kWritable);

bool IsSetDirectMap(CpaCall::Op op) {
  return op == CpaCall::Op::kSetDirectMapInvalid || op == CpaCall::Op::kSetDirectMapDefault;
}

// No set_memory function changes PRESENT and WRITABLE together.
CpaCall::Op OpOf(const CpaCall& call) {
  if (call.op != CpaCall::Op::kChange) return call.op;
  if (call.set == kPresentWritable && call.clear.empty()) return CpaCall::Op::kSetDirectMapDefault;
  if (call.set.empty() && kPresentWritable.Without(call.clear).empty()) return CpaCall::Op::kSetDirectMapInvalid;
  return call.op;
}

}  // namespace

absl::StatusOr<std::vector<DirectMapCall>> ExpandCalls(const workload::ReplayStep& step) {
  std::vector<DirectMapCall> calls;
  for (const CpaCall& row : step.calls) {
    if (row.count > kMaxCalls - calls.size()) {
      return absl::InvalidArgumentError(absl::StrCat("capture, step ", step.index, ": more than ", kMaxCalls,
                                                     " recorded calls; no kernel makes so many in a step"));
    }
    DirectMapCall call;
    call.op = OpOf(row);
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
