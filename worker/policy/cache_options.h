#ifndef DMFRAG_WORKER_POLICY_CACHE_OPTIONS_H_
#define DMFRAG_WORKER_POLICY_CACHE_OPTIONS_H_

#include <cstdint>

#include "worker/model/units.h"

namespace dmfrag::policy {

// Options of cache types. Each type reads those that make sense for it (proto/dmfrag/v1/cache.proto says which, what
// they mean, and why others do not). A spec has every default written down; registry.h knows them by type.
struct CacheOptions {
  enum class Restore { kNever, kOnShrink, kOnCoalesce, kCollapse };
  enum class Placement { kAny, kPreferSplitGib, kBoundedRegion };
  // What the direct-map entry of an idle page is.
  enum class Entry { kRw4K, kNotPresent, kNotPresent2M, kMapped };
  enum class FreePath { kDivert, kDedicatedApi, kBackPointer, kGatherBatch };
  enum class AtomicMiss { kDeny, kReserve, kSinglePage };

  model::Order refill_order = model::kPageblockOrder;  // 0 to 9
  uint64_t shrink_below_free_per_mille = 10;           // of managed memory, 0 to 1000
  Restore restore = Restore::kNever;
  bool restore_global = false;
  Placement placement = Placement::kAny;
  uint32_t region_per_mille = 125;  // of memory, 1 to 1000; with kBoundedRegion
  Entry entry = Entry::kMapped;
  FreePath free_path = FreePath::kDedicatedApi;
  AtomicMiss atomic_miss = AtomicMiss::kDeny;
  uint32_t atomic_reserve_pages = 64;  // with kReserve
  bool per_node = false;
  bool tables_from_cache = false;  // page tables of splits come from it

  bool prepopulate = false;          // global
  bool draft_refill_defect = false;  // unmapped_buddy
  uint32_t category_two_batch = 64;  // hierarchical
  uint32_t category_two_high = 512;  // hierarchical

  friend bool operator==(const CacheOptions&, const CacheOptions&) = default;
};

}  // namespace dmfrag::policy

#endif  // DMFRAG_WORKER_POLICY_CACHE_OPTIONS_H_
