#ifndef DMFRAG_WORKER_WORKLOAD_CALLS_USER_CALL_H_
#define DMFRAG_WORKER_WORKLOAD_CALLS_USER_CALL_H_

#include <variant>
#include <vector>

#include "worker/model/attribute_request.h"
#include "worker/model/units.h"
#include "worker/workload/replay_input.h"

// What users of permissions ask of CPA and of the TLB, call by call, as their kernel code does. Sequences are values:
// they can be compared with recorded calls, or carried out on a machine (model::AttributeChanger, model::TlbFlushes).
namespace dmfrag::workload {

// A request on direct-map addresses. `op` is the function that a kprobe sees.
struct DirectMapCall {
  CpaCall::Op op = CpaCall::Op::kChange;
  model::AttributeRequest request;
  friend bool operator==(const DirectMapCall&, const DirectMapCall&) = default;
};

// flush_tlb_kernel_range over `pages` pages, by the caller itself; CPA's own flushes belong to its requests.
struct KernelRangeFlush {
  model::FrameCount pages;
  friend bool operator==(const KernelRangeFlush&, const KernelRangeFlush&) = default;
};

// The second one is a request on vmalloc or module addresses, whose direct-map calls CPA derives (see alias_calls.h).
using UserCall = std::variant<DirectMapCall, model::VirtualAttributeRequest, KernelRangeFlush>;
using UserCalls = std::vector<UserCall>;

inline void Append(const UserCalls& more, UserCalls& calls) { calls.insert(calls.end(), more.begin(), more.end()); }

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_CALLS_USER_CALL_H_
