#ifndef DMFRAG_WORKER_WORKLOAD_CALLS_XPFO_CALLS_H_
#define DMFRAG_WORKER_WORKLOAD_CALLS_XPFO_CALLS_H_

#include "worker/model/units.h"
#include "worker/workload/calls/user_call.h"

namespace dmfrag::workload {

// Exclusive page frame ownership, as the series v1 to v9 had it (mainline has none): mm/xpfo.c and its set_kpte
// (arch/x86/mm/xpfo.c), which writes one entry, splits a large page for it, and has no alias. No capture has it. Every
// page is changed by itself, whatever the release. Simplification: the deferred flush of v9 is not here.

// xpfo_alloc_pages: a program gets a page, which leaves the direct map (an entry of all zeros) and every TLB.
UserCalls XpfoAllocate(model::FrameNumber frame);

// xpfo_free_pages: PAGE_KERNEL again. Nothing is flushed: an entry that is not present is in no TLB.
UserCalls XpfoFree(model::FrameNumber frame);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_CALLS_XPFO_CALLS_H_
