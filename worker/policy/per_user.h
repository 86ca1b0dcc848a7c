#ifndef DMFRAG_WORKER_POLICY_PER_USER_H_
#define DMFRAG_WORKER_POLICY_PER_USER_H_

#include "worker/model/machine.h"
#include "worker/policy/cache_options.h"
#include "worker/policy/grouped_cache.h"

namespace dmfrag::policy {

// Cache type `per-user`: a cache for each user of permissions, with a free function of its own.
//
// Source: the seed letter's "Alternatives" ("per-user caches, e.g one for the page tables, another for vmalloc etc."),
// and the grouped pages of the PKS series (May and August 2021), get_grouped_page and free_grouped_page.
//  - Each user has a list. Allocation takes the page that came in last; on a miss it takes a block of the refill order
//    and keeps the rest, or a single page if there is none. Nothing is mapped with 4K entries beforehand: the user's
//    own first change splits the block.
//  - Pages come back by the user's own call, to its own list; no free of others is diverted.
//  - The shrinker gives pages to the page allocator. Nothing is ever restored, unless the option says so.
// Departures: one list a user instead of one a node, unless per_node; the shrinker is asked below a share of free
// memory instead of by reclaim's scan counts, and takes from the longest list first; packs that several users share
// have a list of their own; page tables of the direct map come from where table_source says.
class PerUserCache final : public GroupedCache {
 public:
  // Borrows `machine`, which must outlive it. REQUIRES: options.refill_order <= kPageblockOrder.
  PerUserCache(model::Machine* machine, const CacheOptions& options);
};

}  // namespace dmfrag::policy

#endif  // DMFRAG_WORKER_POLICY_PER_USER_H_
