#ifndef DMFRAG_WORKER_WORKLOAD_CALLS_NOT_PRESENT_CALLS_H_
#define DMFRAG_WORKER_WORKLOAD_CALLS_NOT_PRESENT_CALLS_H_

#include <span>

#include "worker/model/units.h"
#include "worker/workload/calls/user_call.h"

namespace dmfrag::workload {

// What becomes of a user's calls when its pages come from a cache that keeps them out of the direct map, and go back to
// it (seed letter: "from that state it's cheap to restore them or set their permission"; domain 3.2). Not-present
// entries are in no TLB, so that a change from them needs no flush; a change to them does.

// Category one: the direct map stays as it is. What the calls do to another mapping of the pages they still do, flushes
// of that mapping included; `is_mapped_elsewhere`: the kernel has one.
UserCalls WithoutDirectMap(const UserCalls& calls, bool is_mapped_elsewhere);

// Category two: each page gets at once what `set` would make of a page that is present and writable. Nothing is
// flushed but the data caches, where the memory type changes; that request flushes the TLB as ever.
UserCalls SetFromNotPresent(const UserCalls& set);

// Category two: pages that `set` made leave the direct map, and one flush every TLB.
UserCalls ResetToNotPresent(std::span<const model::FrameNumber> frames);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_CALLS_NOT_PRESENT_CALLS_H_
