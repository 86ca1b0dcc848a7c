#ifndef DMFRAG_WORKER_POLICY_GLOBAL_H_
#define DMFRAG_WORKER_POLICY_GLOBAL_H_

#include "worker/model/machine.h"
#include "worker/policy/cache_options.h"
#include "worker/policy/grouped_cache.h"

namespace dmfrag::policy {

// Cache type `global`: one cache of pages mapped with 4K entries, for all users.
//
// Source: "mm/page_alloc: cache pte-mapped allocations", RFC of August 2021, patch 3/4, the seed letter's thread.
//  - Allocation takes the page that came in last. On a miss it takes a block of the refill order, or a single page if
//    there is none, maps it with 4K entries by force (set_memory_4k), marks its pageblock, keeps the first page for the
//    caller and puts the others into the cache.
//  - Every order-0 page freed from a marked pageblock goes to the cache, whoever owned it; larger blocks do not.
//  - The shrinker frees pages around that diversion; the mark stays, and so do the 4K entries. Nothing is ever
//    restored, unless the option says so.
// Departures: one list instead of one per node, unless per_node, and then that of the caller's node instead of all in
// turn; the shrinker is asked below a share of free memory instead of by reclaim's scan counts, and gives back what has
// been idle longest; a refill that cannot be split for lack of memory goes back, and the allocation fails.
class GlobalCache final : public GroupedCache {
 public:
  // Borrows `machine`, which must outlive it. REQUIRES: options.refill_order <= kPageblockOrder.
  GlobalCache(model::Machine* machine, const CacheOptions& options);

 private:
  void Prepopulate();
};

}  // namespace dmfrag::policy

#endif  // DMFRAG_WORKER_POLICY_GLOBAL_H_
