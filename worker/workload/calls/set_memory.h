#ifndef DMFRAG_WORKER_WORKLOAD_CALLS_SET_MEMORY_H_
#define DMFRAG_WORKER_WORKLOAD_CALLS_SET_MEMORY_H_

#include <optional>
#include <string_view>
#include <vector>

#include "worker/model/entry_flags.h"
#include "worker/model/kernel_release.h"
#include "worker/model/units.h"
#include "worker/workload/calls/user_call.h"

namespace dmfrag::workload {

// The functions of arch/x86/mm/pat/set_memory.c that change a range.
enum class SetMemoryFunction {
  kRo,
  kRw,
  kX,
  kNx,
  kRox,
  kNp,
  kP,
  k4K,
  kUc,
  kWc,
  kWt,
  kWb,
  kGlobal,
  kNonglobal,
};

// "set_memory_ro" and its like; nullopt if there is none of that name.
std::optional<SetMemoryFunction> SetMemoryFunctionNamed(std::string_view name);

// One call of change_page_attr_set_clr.
struct AttributeChange {
  model::EntryFlags set = {};
  model::EntryFlags clear = {};
  bool force_4k = false;
  bool collapse = false;
  friend bool operator==(const AttributeChange&, const AttributeChange&) = default;
};

// What the function asks of CPA, in order: one change, but two for set_memory_wc (to UC- first), and two for
// set_memory_rox on 6.1, which has no such function, so that its callers make the pages read-only and then executable.
//
// Recorded on 6.1, 6.12 and 7.3: ro, rw, nx, np, 4k, uc, wb; rox on 6.16 and later. From the source alone: x, p, wc,
// wt, global, nonglobal.
std::vector<AttributeChange> AttributeChangesOf(SetMemoryFunction function, model::KernelRelease release);

// The function on direct-map addresses, and on vmalloc or module addresses.
UserCalls SetMemory(SetMemoryFunction function, model::FrameRange frames, model::KernelRelease release);
UserCalls SetMemory(SetMemoryFunction function, model::VirtualRange pages, model::KernelRelease release);

// set_direct_map_invalid_noflush and set_direct_map_default_noflush of one page each, and set_direct_map_valid_noflush
// of several (6.13) with valid = true. They do not flush, and have no alias. Source: __set_pages_np, __set_pages_p;
// masks recorded on 6.1, 6.12 and 7.3: from 6.6 on, not present clears DIRTY too.
UserCall SetDirectMapInvalid(model::FrameNumber frame, model::KernelRelease release);
UserCall SetDirectMapDefault(model::FrameNumber frame);
UserCall SetDirectMapValid(model::FrameRange frames);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_CALLS_SET_MEMORY_H_
