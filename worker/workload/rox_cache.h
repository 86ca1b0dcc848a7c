#ifndef DMFRAG_WORKER_WORKLOAD_ROX_CACHE_H_
#define DMFRAG_WORKER_WORKLOAD_ROX_CACHE_H_

#include "worker/workload/permission.h"

namespace dmfrag::workload {

// execmem's ROX cache (mm/execmem.c, 6.15 on): blocks of 2M, read-only and executable, of which modules' text and, from
// 6.17 on, trampolines take whole pages, first fit. One cache for all users. A part is writable when it was taken
// (execmem_make_temp_rw, execmem_alloc_rw); its user makes it read-only and executable before it gives it back. A block
// that is wholly free goes back to the allocator at once, where the kernel's worker does it (execmem_cache_clean).
//
// Simplifications: memory that cannot be had for a whole block is not asked for in the exact size (6.17's fallback); a
// free that finds no memory for a split is not tried again every 10 ms, but takes effect.
extern const Packs kRoxCache;

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_ROX_CACHE_H_
