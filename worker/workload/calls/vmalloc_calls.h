#ifndef DMFRAG_WORKER_WORKLOAD_CALLS_VMALLOC_CALLS_H_
#define DMFRAG_WORKER_WORKLOAD_CALLS_VMALLOC_CALLS_H_

#include <span>

#include "worker/model/kernel_release.h"
#include "worker/model/units.h"
#include "worker/workload/calls/user_call.h"

namespace dmfrag::workload {

// vfree of an area with VM_FLUSH_RESET_PERMS, whose pages are `frames` by address. Every release up to 7.3:
// mm/vmalloc.c vm_reset_perms (vm_remove_mappings on 6.1) takes every page out of the direct map, one call each even if
// the pages were allocated as one block; flushes once; and puts every page back, again one by one. The flush spans
// the pages in the direct map and the area's addresses, so it is always a full one.
UserCalls VfreeWithPermissionReset(std::span<const model::FrameNumber> frames, model::KernelRelease release);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_CALLS_VMALLOC_CALLS_H_
