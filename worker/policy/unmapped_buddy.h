#ifndef DMFRAG_WORKER_POLICY_UNMAPPED_BUDDY_H_
#define DMFRAG_WORKER_POLICY_UNMAPPED_BUDDY_H_

#include "worker/model/machine.h"
#include "worker/policy/cache_options.h"
#include "worker/policy/grouped_cache.h"

namespace dmfrag::policy {

// Cache type `unmapped-buddy`: a small buddy allocator of pages that are not present, for all users.
//
// Source: unmapped_alloc, March 2023, mm/unmapped-alloc.c.
//  - Allocation takes the smallest block that fits. On a miss it takes a block of order 9, 8, ... down to what is asked
//    for from the page allocator, makes each page not present, flushes once, and tries again.
//  - Pages come back by its own free function, not present, and merge with their buddies.
//  - The shrinker goes through the orders from 0 upwards, makes pages present one by one, and frees them. Nothing is
//    ever restored, unless the option says so, or cached_entry is not_present_2m: then a block that goes back as a
//    whole has its one entry again.
// Departures: the lowest address of an order first, not the list's head; the shrinker is asked below a share of free
// memory; two errors of the draft are not made, one of which draft_refill_defect brings back; the other, a flush whose
// length is in pages where bytes are asked for, is not modelled.
class UnmappedBuddyCache final : public GroupedCache {
 public:
  // Borrows `machine`, which must outlive it. REQUIRES: options.refill_order <= kPageblockOrder.
  UnmappedBuddyCache(model::Machine* machine, const CacheOptions& options);
};

}  // namespace dmfrag::policy

#endif  // DMFRAG_WORKER_POLICY_UNMAPPED_BUDDY_H_
