#ifndef DMFRAG_WORKER_WORKLOAD_CALLS_SECRETMEM_CALLS_H_
#define DMFRAG_WORKER_WORKLOAD_CALLS_SECRETMEM_CALLS_H_

#include <span>

#include "worker/model/kernel_release.h"
#include "worker/model/units.h"
#include "worker/workload/calls/user_call.h"

namespace dmfrag::workload {

// A page of a memfd_secret area is touched for the first time. Every release: mm/secretmem.c secretmem_fault takes the
// page out of the direct map and flushes it from every TLB; nothing is batched.
UserCalls SecretmemFault(model::FrameNumber frame, model::KernelRelease release);

// The last user of an area is gone: its pages, by index in the file. Every release: secretmem_free_folio
// puts each back before it is zeroed. Nothing is flushed: an entry that is not
// present is in no TLB.
UserCalls SecretmemFree(std::span<const model::FrameNumber> frames);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_CALLS_SECRETMEM_CALLS_H_
