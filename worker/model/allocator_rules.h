#ifndef DMFRAG_WORKER_MODEL_ALLOCATOR_RULES_H_
#define DMFRAG_WORKER_MODEL_ALLOCATOR_RULES_H_

#include "worker/model/kernel_release.h"

namespace dmfrag::model {

// Rules of the page allocator that differ between kernels, each with the release it came with. A plain value; the
// default is 6.12's. Checked where a capture holds the free lists: `fl-*` and `extr-*` of 6.1 and 6.12.
struct AllocatorRules {
  // 6.7 (commits 90b41691b988, 57c0419c5f0e, 51a755c56dc0): the per-CPU lists' `high` follows the load between two
  // bounds, and runs of allocations take more at once. Before: a fixed `high`, and only runs of frees give more at
  // once.
  bool pcp_high_follows_load = true;
  // 6.10 (commits e0932b6c1f94, fd919a85cd55 "freelist hygiene"): a free page lies in a list of its pageblock's type.
  // Before: a block that is claimed in part has its free pages moved first and is counted then, and its type may stay;
  // and a page that leaves a per-CPU list keeps the type it had there.
  bool lists_follow_blocks = true;
  // 6.15 (commit c2f6ea38fc1b): if no block can be claimed, a single page comes from the smallest foreign block.
  // Before: from the first that is found, the largest; for movable pages from the smallest too.
  // And (commit 90abee6d7895) what refills a per-CPU list goes on stealing once it has begun.
  bool steal_from_smallest = false;
  // 6.16 ("mm: pcp: increase pcp->free_count threshold to trigger free_high"): a run of high-order frees must be
  // longer, by half of the least `high`, before a per-CPU list gives everything up. No capture shows it.
  bool longer_high_order_runs = false;

  // 6.6 or 6.7 ("mm: fix calculations of watermark for movable zone", August 2023): ZONE_MOVABLE has no share of
  // min_free_kbytes, and a small WMARK_MIN of its own. Before: a share as every zone, at the cost of the others. No
  // capture has the zone.
  bool caps_movable_mark = true;

  static constexpr AllocatorRules Of(KernelRelease release) {
    return {.pcp_high_follows_load = release >= KernelRelease::k6_12,
            .lists_follow_blocks = release >= KernelRelease::k6_12,
            .steal_from_smallest = release >= KernelRelease::k6_16,
            .longer_high_order_runs = release >= KernelRelease::k6_16,
            .caps_movable_mark = release >= KernelRelease::k6_12};
  }
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_ALLOCATOR_RULES_H_
