#ifndef DMFRAG_WORKER_WORKLOAD_CALLS_EXECMEM_CALLS_H_
#define DMFRAG_WORKER_WORKLOAD_CALLS_EXECMEM_CALLS_H_

#include <span>

#include "worker/model/kernel_release.h"
#include "worker/model/units.h"
#include "worker/workload/calls/user_call.h"

namespace dmfrag::workload {

// The ROX cache of mm/execmem.c (6.15 on): executable memory in blocks of 2M, read-only and executable as a whole.

// execmem_cache_populate: a new block, or several, was filled with trapping instructions. REQUIRES: `block` is 2M
// aligned and mapped by 2M entries, or the fallback of 4K ones.
UserCalls ExecmemPopulate(model::VirtualRange block, model::KernelRelease release);

// A part of the cache is to be written: execmem_make_temp_rw (6.15), execmem_alloc_rw through execmem_force_rw (6.17).
UserCalls ExecmemForceRw(model::VirtualRange part, model::KernelRelease release);

// execmem_restore_rox.
UserCalls ExecmemRestoreRox(model::VirtualRange part, model::KernelRelease release);

// execmem_free of a part, which stays in the cache. From 6.17 on it is made writable to be filled with traps, and then
// read-only again (__execmem_cache_free); 6.16 fills it by text_poke, without any permission change.
UserCalls ExecmemFree(model::VirtualRange part, model::KernelRelease release);

// execmem_cache_clean: a block that is wholly free goes back to the allocator; `frames` are its own. One call of
// set_direct_map_valid_noflush for the whole of it.
UserCalls ExecmemClean(model::FrameRange frames);

// The same of an area whose frames are `frames`, by address: one block, or single pages if there was none; then each
// run of neighbours is one call (the kernel's call is for each of vmalloc's pages; what it changes is the same).
UserCalls ExecmemCleanRuns(std::span<const model::FrameNumber> frames);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_CALLS_EXECMEM_CALLS_H_
