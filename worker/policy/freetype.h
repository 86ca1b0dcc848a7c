#ifndef DMFRAG_WORKER_POLICY_FREETYPE_H_
#define DMFRAG_WORKER_POLICY_FREETYPE_H_

#include "worker/model/machine.h"
#include "worker/policy/cache_options.h"
#include "worker/policy/grouped_cache.h"

namespace dmfrag::policy {

// Cache type `freetype`: pageblocks that are free as a whole change between mapped and not present.
//
// Source: freetypes and __GFP_UNMAPPED, RFC of February 2026, 10/19 and 17/19.
//  - When its free lists are empty, a whole free pageblock is taken, by compaction if need be; it is made not present
//    by one request (set_direct_map_valid_noflush over 512 pages, which keeps a 2M entry) and one flush.
//  - Blocks of all orders. A page that is freed goes to the list of its pageblock.
//  - A block that is free as a whole is made present by one request, cleared, and freed.
// Departures: its free lists lie beside the page allocator, as those of `migratetype`; a single page that a caller
// which cannot sleep gets is unmapped by itself.
class FreetypeCache final : public GroupedCache {
 public:
  // Borrows `machine`, which must outlive it.
  FreetypeCache(model::Machine* machine, const CacheOptions& options);
};

}  // namespace dmfrag::policy

#endif  // DMFRAG_WORKER_POLICY_FREETYPE_H_
