#ifndef DMFRAG_WORKER_POLICY_DEBUG_PAGEALLOC_H_
#define DMFRAG_WORKER_POLICY_DEBUG_PAGEALLOC_H_

#include <string>

#include "worker/policy/none.h"

namespace dmfrag::policy {

// Cache type `debug-pagealloc`: everything is mapped by 4K entries from boot, and every free page is not present.
//
// Source: the seed letter ("If you tied this into debug page alloc, you shouldn't need to group the pages");
// mm/page_alloc.c debug_pagealloc_map_pages and debug_pagealloc_unmap_pages, arch/x86/mm/pat/set_memory.c
// __kernel_map_pages: one request for a block of pages, and a flush of this processor alone.
// Departures: the machine it is on boots with debug_pagealloc (worker/convert); entries of free pages are counted as
// written, but stay as they are in the model, so that its invariants are those of any machine. Pages that a kernel
// object gets beside the blocks of its user (packs, pools, page tables) are not counted.
class DebugPageallocCache final : public NoneCache {
 public:
  explicit DebugPageallocCache(model::Machine* machine, const CacheOptions& = {}) : NoneCache(machine) {}

  std::string name() const override { return "debug_pagealloc"; }
  void OnPagesChangeHands(model::FrameCount pages) override {
    ++machine().account().cpa_requests;
    machine().account().entries_written += static_cast<int64_t>(pages.raw());
    machine().FlushLocal();
  }
};

}  // namespace dmfrag::policy

#endif  // DMFRAG_WORKER_POLICY_DEBUG_PAGEALLOC_H_
