#include "worker/workload/calls/vmalloc_calls.h"

#include "worker/workload/calls/set_memory.h"

namespace dmfrag::workload {
namespace {

// The direct map and the vmalloc area lie 64 TiB apart with 4-level page tables, and farther with 5-level ones
// (Documentation/arch/x86/x86_64/mm.rst).
constexpr model::FrameCount kFromDirectMapToVmalloc(uint64_t{1} << 34);

}  // namespace

UserCalls VfreeWithPermissionReset(std::span<const model::FrameNumber> frames, model::KernelRelease release) {
  UserCalls calls;
  calls.reserve(2 * frames.size() + 1);
  for (const model::FrameNumber frame : frames) calls.push_back(SetDirectMapInvalid(frame, release));
  calls.push_back(KernelRangeFlush{kFromDirectMapToVmalloc});
  for (const model::FrameNumber frame : frames) calls.push_back(SetDirectMapDefault(frame));
  return calls;
}

}  // namespace dmfrag::workload
