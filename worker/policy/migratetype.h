#ifndef DMFRAG_WORKER_POLICY_MIGRATETYPE_H_
#define DMFRAG_WORKER_POLICY_MIGRATETYPE_H_

#include "worker/model/machine.h"
#include "worker/policy/cache_options.h"
#include "worker/policy/grouped_cache.h"

namespace dmfrag::policy {

// Cache type `migratetype`: pageblocks of a migratetype of its own.
//
// Source: MIGRATE_UNMAPPED and __GFP_UNMAPPED, January 2022.
//  - When its free lists are empty, a page is taken from another type's as in an ordinary fallback; its pageblock is
//    mapped with 4K entries, and all free pages of the block change their type, however few they are.
//  - Blocks of all orders. A page that is freed goes to the list of its pageblock, whoever had it.
//  - A page is unmapped when it is handed out (post_alloc_hook), which is here what its user does anyway, and mapped
//    again before it is free.
//  - It has no shrinker, and nothing is ever restored, unless the option says so.
// Departures: its free lists lie beside the page allocator: their pages are not among the free ones of a zone, for
// watermarks too, and the lowest address comes first; pages on per-CPU lists stay where they are.
class MigratetypeCache final : public GroupedCache {
 public:
  // Borrows `machine`, which must outlive it.
  MigratetypeCache(model::Machine* machine, const CacheOptions& options);
};

}  // namespace dmfrag::policy

#endif  // DMFRAG_WORKER_POLICY_MIGRATETYPE_H_
