#ifndef DMFRAG_WORKER_WORKLOAD_CALLS_GRAPHICS_CALLS_H_
#define DMFRAG_WORKER_WORKLOAD_CALLS_GRAPHICS_CALLS_H_

#include <span>

#include "worker/model/kernel_release.h"
#include "worker/model/units.h"
#include "worker/workload/calls/user_call.h"

namespace dmfrag::workload {

// Pools of pages for graphics (drivers/gpu/drm/ttm/ttm_pool.c): a page keeps its memory type while it is in a pool, and
// goes back to write-back when the shrinker takes it. From the source; no capture has them.

enum class ArrayMemoryType { kUncachedMinus, kWriteCombining, kWriteBack };

// set_pages_array_uc, _wc, _wb (every release; arch/x86/mm/pat/set_memory.c _set_pages_array): `frames` page by page,
// so that even 512 neighbours leave no 2M entry; one flush a pass, and two passes for write combining (UC- first). Each
// run of neighbours is one call here with `array` set; the flush of the pass follows the last.
UserCalls SetPagesArray(std::span<const model::FrameNumber> frames, ArrayMemoryType type);

// set_pages_wb of one block (ttm_pool_free_page): a range, which changes a whole 2M entry if there still is one.
UserCalls SetPagesWb(model::FrameRange frames, model::KernelRelease release);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_CALLS_GRAPHICS_CALLS_H_
