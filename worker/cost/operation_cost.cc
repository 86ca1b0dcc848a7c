#include "worker/cost/operation_cost.h"

#include <algorithm>

namespace dmfrag::cost {
namespace {

constexpr int64_t kSinglePageCeiling = 33;  // tlb_single_page_flush_ceiling

// Cycles other processors spend on one interrupt each.
Range HandlerCost(const OperationCosts& costs, const FlushTargets& targets) {
  const int64_t isolated = targets.isolated;
  const Range unmerged =
      costs.ipi_handler.value * (targets.others() - isolated) + costs.ipi_handler_isolated.value * isolated;
  Range merged;
  for (Bound bound : kBounds) {
    merged.at(bound) = MultiplyDivide(unmerged.at(bound), targets.interrupts_per_mille.at(bound), 1000);
  }
  return merged;
}

// A call on every processor: `each` is spent by every one of them.
OperationCost OnEveryProcessor(const OperationCosts& costs, const FlushTargets& targets, const Range& each) {
  OperationCost cost;
  cost.caller = each;
  if (targets.others() == 0) return cost;
  cost.caller += costs.ipi_start.value + costs.ipi_per_cpu.value * targets.others();
  cost.others = each * targets.others() + HandlerCost(costs, targets);
  return cost;
}

// On the calling processor, which asks no other.
Range LocalFlushCost(const OperationCosts& costs, const FlushTargets& targets) {
  return targets.local_flushes_are_full ? costs.flush_all.value + costs.tlb_refill.value : costs.flush_page.value;
}

OperationCost Times(const OperationCost& cost, int64_t count) {
  return {cost.caller * count, cost.others * count, cost.zone_lock * count};
}

// Of all range flushes.
Range PagesFlushed(const model::EventCounters& events) {
  const int64_t flushes = events.flushes_range;
  const int64_t most = std::min(MultiplySaturating(flushes, kSinglePageCeiling), events.entries_written);
  return {flushes, flushes, std::max(flushes, most)};
}

}  // namespace

OperationCost& OperationCost::operator+=(const OperationCost& other) {
  caller += other.caller;
  others += other.others;
  zone_lock += other.zone_lock;
  return *this;
}

OperationCost FullFlushCost(const OperationCosts& costs, const FlushTargets& targets) {
  return OnEveryProcessor(costs, targets, costs.flush_all.value + costs.tlb_refill.value);
}

OperationCost RangeFlushCost(const OperationCosts& costs, const FlushTargets& targets, const Range& pages) {
  return OnEveryProcessor(costs, targets, costs.flush_page.value * pages);
}

OperationCost CostOf(const OperationCosts& costs, const FlushTargets& targets, const Work& work) {
  const model::EventCounters& events = work.events;
  // A collapse compares the 512 entries that a split writes.
  const int64_t tables = events.splits_2m + events.splits_1g + events.vmalloc_splits_2m + events.collapses_2m +
                         events.collapses_1g + events.vmalloc_collapses_2m;
  OperationCost cost;
  cost.zone_lock = costs.zone_lock.value * work.zone_locks + costs.zone_list_block.value * work.zone_list_blocks;
  cost.caller = cost.zone_lock + costs.cpa_request.value * events.cpa_requests +
                costs.entry_write.value * events.entries_written + costs.table_fill.value * tables +
                costs.clflush_page.value * events.cache_flush_pages + costs.page_allocate.value * work.pages_allocated +
                costs.page_free.value * work.pages_freed + costs.page_copy.value * work.pages_copied +
                costs.page_zero.value * (work.pages_zeroed + events.cache_pages_zeroed) +
                costs.page_migrate.value * (events.pages_moved + events.cache_pages_migrated) +
                costs.temporary_mapping.value * events.temporary_mappings +
                costs.free_check.value * events.free_checks + LocalFlushCost(costs, targets) * events.local_flushes;
  if (events.flushes_all > 0) cost += Times(FullFlushCost(costs, targets), events.flushes_all);
  if (events.cache_flushes_all > 0) {
    cost += Times(OnEveryProcessor(costs, targets, costs.wbinvd.value), events.cache_flushes_all);
  }
  if (events.flushes_range > 0) {
    // Without pages first, then all pages on all processors.
    cost += Times(RangeFlushCost(costs, targets, Range{}), events.flushes_range);
    const Range pages = costs.flush_page.value * PagesFlushed(events);
    cost.caller += pages;
    cost.others += pages * targets.others();
  }
  return cost;
}

int64_t InterruptsOfIsolated(const FlushTargets& targets, const model::EventCounters& events) {
  return MultiplySaturating(events.flushes_all + events.flushes_range, targets.isolated);
}

}  // namespace dmfrag::cost
