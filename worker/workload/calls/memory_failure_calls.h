#ifndef DMFRAG_WORKER_WORKLOAD_CALLS_MEMORY_FAILURE_CALLS_H_
#define DMFRAG_WORKER_WORKLOAD_CALLS_MEMORY_FAILURE_CALLS_H_

#include "worker/model/kernel_release.h"
#include "worker/model/units.h"
#include "worker/workload/calls/user_call.h"

namespace dmfrag::workload {

// A page is poisoned: set_mce_nospec (5.19 on; arch/x86/mm/pat/set_memory.c) makes it not present, through a decoy
// address of the same frame. From the source; no capture has it.
UserCalls SetMceNospec(model::FrameNumber frame, model::KernelRelease release);

// unpoison_memory: clear_mce_nospec makes it present again.
UserCalls ClearMceNospec(model::FrameNumber frame, model::KernelRelease release);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_CALLS_MEMORY_FAILURE_CALLS_H_
