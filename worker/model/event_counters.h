#ifndef DMFRAG_WORKER_MODEL_EVENT_COUNTERS_H_
#define DMFRAG_WORKER_MODEL_EVENT_COUNTERS_H_

#include <cstdint>

namespace dmfrag::model {

// What happened, counted. One per user of a run, so that every event has somebody who caused it; sums are totals. Each
// field carries the name of the metric it feeds. A plain value.
struct EventCounters {
  // Direct map.
  int64_t splits_2m = 0;
  int64_t splits_1g = 0;
  int64_t collapses_2m = 0;
  int64_t collapses_1g = 0;
  int64_t flushes_all = 0;    // flush_tlb_all
  int64_t flushes_range = 0;  // page by page, up to 33 pages
  int64_t flush_ipis = 0;     // flushes times the other processors
  int64_t local_flushes = 0;  // of the calling processor alone, single pages
  int64_t temporary_mappings = 0;
  int64_t cpa_requests = 0;
  int64_t entries_written = 0;
  int64_t table_pages = 0;                 // page tables taken for splits
  int64_t table_pages_in_split_block = 0;  // those of 2M splits that lie in the block they split
  int64_t split_enomem = 0;                // requests that ended with ENOMEM at a split
  int64_t cache_flush_pages = 0;           // pages whose lines were flushed from the data caches (CLFLUSHOPT)
  int64_t cache_flushes_all = 0;           // every cache written back (WBINVD)
  int64_t vmalloc_splits_2m = 0;           // 2M pages of other mappings: vmalloc, modules, kernel image
  int64_t vmalloc_collapses_2m = 0;
  // Memory pressure.
  int64_t pages_reclaimed = 0;  // page cache dropped, by kswapd or directly
  int64_t pages_moved = 0;      // by compaction
  int64_t compact_success = 0;  // direct compactions after which the allocation got its block
  int64_t compact_fail = 0;     // and those after which it did not
  // Caches.
  int64_t refills = 0;
  int64_t refills_failed = 0;  // got less than their order
  int64_t shrunk_pages = 0;
  int64_t diverted_pages = 0;  // ordinary pages that a cache took
  int64_t pages_escaped = 0;   // its own, freed past it
  int64_t free_checks = 0;     // frees at which the page allocator looked for a cache
  int64_t pages_leaked = 0;    // handed on with the former owner's data
  int64_t pages_returned = 0;  // by caches of category two to the global one
  int64_t refill_recursions = 0;
  int64_t atomic_denials = 0;
  int64_t blocks_restored = 0;
  int64_t restores_blocked = 0;
  int64_t restores_lost = 0;
  int64_t cache_pages_migrated = 0;
  int64_t cache_pages_zeroed = 0;
  // Workload.
  int64_t operations = 0;
  int64_t allocations_failed = 0;

  // Calls visit(metric name, field) for each of the above; those of caches are marked.
  template <typename Self, typename Visitor>
  static void ForEach(Self& self, const Visitor& visit) {
    constexpr bool kOfCache = true;
    visit("splits_2m", self.splits_2m, !kOfCache);
    visit("splits_1g", self.splits_1g, !kOfCache);
    visit("collapses_2m", self.collapses_2m, !kOfCache);
    visit("collapses_1g", self.collapses_1g, !kOfCache);
    visit("flushes_all", self.flushes_all, !kOfCache);
    visit("flushes_range", self.flushes_range, !kOfCache);
    visit("flush_ipis", self.flush_ipis, !kOfCache);
    visit("local_flushes", self.local_flushes, !kOfCache);
    visit("temporary_mappings", self.temporary_mappings, !kOfCache);
    visit("cpa_requests", self.cpa_requests, !kOfCache);
    visit("entries_written", self.entries_written, !kOfCache);
    visit("table_pages", self.table_pages, !kOfCache);
    visit("table_pages_in_split_block", self.table_pages_in_split_block, !kOfCache);
    visit("split_enomem", self.split_enomem, !kOfCache);
    visit("cache_flush_pages", self.cache_flush_pages, !kOfCache);
    visit("cache_flushes_all", self.cache_flushes_all, !kOfCache);
    visit("vmalloc_splits_2m", self.vmalloc_splits_2m, !kOfCache);
    visit("vmalloc_collapses_2m", self.vmalloc_collapses_2m, !kOfCache);
    visit("pages_reclaimed", self.pages_reclaimed, !kOfCache);
    visit("pages_moved", self.pages_moved, !kOfCache);
    visit("compact_success", self.compact_success, !kOfCache);
    visit("compact_fail", self.compact_fail, !kOfCache);
    visit("refills", self.refills, kOfCache);
    visit("refills_failed", self.refills_failed, kOfCache);
    visit("shrunk_pages", self.shrunk_pages, kOfCache);
    visit("diverted_pages", self.diverted_pages, kOfCache);
    visit("pages_escaped", self.pages_escaped, kOfCache);
    visit("free_checks", self.free_checks, kOfCache);
    visit("pages_leaked", self.pages_leaked, kOfCache);
    visit("pages_returned", self.pages_returned, kOfCache);
    visit("refill_recursions", self.refill_recursions, kOfCache);
    visit("atomic_denials", self.atomic_denials, kOfCache);
    visit("blocks_restored", self.blocks_restored, kOfCache);
    visit("restores_blocked", self.restores_blocked, kOfCache);
    visit("restores_lost", self.restores_lost, kOfCache);
    visit("cache_pages_migrated", self.cache_pages_migrated, kOfCache);
    visit("cache_pages_zeroed", self.cache_pages_zeroed, kOfCache);
    visit("operations", self.operations, !kOfCache);
    visit("allocations_failed", self.allocations_failed, !kOfCache);
  }

  EventCounters& operator+=(const EventCounters& other);
  // What happened since the counters were `other`.
  EventCounters& operator-=(const EventCounters& other);
  friend bool operator==(const EventCounters&, const EventCounters&) = default;
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_EVENT_COUNTERS_H_
