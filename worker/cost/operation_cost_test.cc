#include "worker/cost/operation_cost.h"

#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "worker/cost/cpu_profile.h"
#include "worker/cost/range.h"
#include "worker/model/event_counters.h"

namespace dmfrag::cost {
namespace {

// Round figures, so that sums can be made by hand.
OperationCosts RoundCosts() {
  OperationCosts costs;
  int64_t value = 1;
  OperationCosts::ForEach(costs, [&](const char*, Figure& figure) {
    figure.value = {value, 10 * value, 100 * value};
    ++value;
  });
  return costs;
}

// In the order of OperationCosts: cpa_request 1, entry_write 2, table_fill 3, flush_page 4, flush_all 5, tlb_refill 6,
// ipi_start 7, ipi_per_cpu 8, ipi_handler 9, ipi_handler_isolated 10, clflush_page 11, wbinvd 12, page_allocate 13,
// page_free 14, zone_lock 15, zone_list_block 16, page_zero 17, page_copy 18, page_migrate 19,
// temporary_mapping 20, free_check 21.
Range Ten(int64_t low) { return {low, 10 * low, 100 * low}; }

TEST(OperationCost, OfNothingIsNothing) { EXPECT_EQ(CostOf(RoundCosts(), {.cpus = 8}, {}), OperationCost{}); }

TEST(OperationCost, OneProcessorFlushesAloneAndSendsNothing) {
  const OperationCost cost = FullFlushCost(RoundCosts(), {.cpus = 1});
  EXPECT_EQ(cost.caller, Ten(5 + 6));
  EXPECT_EQ(cost.others, Range{});
}

TEST(OperationCost, AFullFlushInterruptsEveryOtherProcessor) {
  const OperationCost cost = FullFlushCost(RoundCosts(), {.cpus = 4});
  EXPECT_EQ(cost.caller, Ten(5 + 6 + 7 + 3 * 8));
  EXPECT_EQ(cost.others, Ten(3 * (5 + 6 + 9)));
}

TEST(OperationCost, ARangeFlushPaysPerPageOnEveryProcessor) {
  const OperationCost cost = RangeFlushCost(RoundCosts(), {.cpus = 3}, Range::Exactly(5));
  EXPECT_EQ(cost.caller, Ten(5 * 4 + 7 + 2 * 8));
  EXPECT_EQ(cost.others, Ten(2 * (5 * 4 + 9)));
}

TEST(OperationCost, IsolatedProcessorsPayMorePerInterrupt) {
  const OperationCost cost = FullFlushCost(RoundCosts(), {.cpus = 4, .isolated = 2});
  EXPECT_EQ(cost.caller, Ten(5 + 6 + 7 + 3 * 8));
  EXPECT_EQ(cost.others, Ten(3 * (5 + 6) + 9 + 2 * 10));
}

TEST(OperationCost, MergedInterruptsSaveTheHandlerAlone) {
  const OperationCost cost = FullFlushCost(RoundCosts(), {.cpus = 5, .interrupts_per_mille = {500, 750, 1000}});
  EXPECT_EQ(cost.others, (Range{4 * 11 + 18, 440 + 270, 4400 + 3600}));
  EXPECT_EQ(cost.caller, FullFlushCost(RoundCosts(), {.cpus = 5}).caller);
}

TEST(OperationCost, EveryCountIsTimesItsConstant) {
  Work work;
  work.events.cpa_requests = 2;
  work.events.entries_written = 3;
  work.events.splits_2m = 1;
  work.events.splits_1g = 1;
  work.events.vmalloc_splits_2m = 1;
  work.events.collapses_2m = 1;
  work.events.cache_flush_pages = 4;
  work.pages_allocated = 5;
  work.pages_freed = 6;
  work.zone_locks = 7;
  work.zone_list_blocks = 8;
  work.pages_zeroed = 9;
  work.pages_copied = 10;
  work.events.pages_moved = 4;
  work.events.cache_pages_migrated = 7;
  work.events.cache_pages_zeroed = 12;
  work.events.temporary_mappings = 13;
  work.events.free_checks = 14;
  const OperationCost cost = CostOf(RoundCosts(), {.cpus = 4}, work);
  const int64_t lock = 7 * 15 + 8 * 16;
  EXPECT_EQ(cost.zone_lock, Ten(lock));
  EXPECT_EQ(cost.caller, Ten(2 * 1 + 3 * 2 + 4 * 3 + 4 * 11 + 5 * 13 + 6 * 14 + lock + (9 + 12) * 17 + 10 * 18 +
                             (4 + 7) * 19 + 13 * 20 + 14 * 21));
  EXPECT_EQ(cost.others, Range{});
}

// A temporary mapping drops its one page from the TLB of its own processor: no other is asked.
TEST(OperationCost, ALocalFlushOfOnePageInterruptsNobody) {
  Work work;
  work.events.local_flushes = 3;
  const OperationCost cost = CostOf(RoundCosts(), {.cpus = 64, .isolated = 5}, work);
  EXPECT_EQ(cost.caller, Ten(3 * 4));
  EXPECT_EQ(cost.others, Range{});
  EXPECT_EQ(InterruptsOfIsolated({.cpus = 64, .isolated = 5}, work.events), 0);
}

TEST(OperationCost, UnderDebugPageallocALocalFlushDropsEveryEntry) {
  Work work;
  work.events.local_flushes = 3;
  const OperationCost cost = CostOf(RoundCosts(), {.cpus = 64, .local_flushes_are_full = true}, work);
  EXPECT_EQ(cost.caller, Ten(3 * (5 + 6)));
  EXPECT_EQ(cost.others, Range{});
  // What a full flush costs a machine of one processor.
  EXPECT_EQ(cost.caller, FullFlushCost(RoundCosts(), {.cpus = 1}).caller * 3);
}

// What a secret page costs on 4 processors: a request, an entry, a flush of one page, and a split's table and full
// flush with it.
TEST(OperationCost, OfASecretFaultWithASplit) {
  Work work;
  work.events.cpa_requests = 1;
  work.events.entries_written = 1;
  work.events.splits_2m = 1;
  work.events.flushes_all = 1;
  work.events.flushes_range = 1;
  const OperationCost cost = CostOf(RoundCosts(), {.cpus = 4}, work);
  EXPECT_EQ(cost.caller, Ten((1 + 2 + 3) + (5 + 6 + 7 + 3 * 8) + (4 + 7 + 3 * 8)));
  EXPECT_EQ(cost.others, Ten(3 * (5 + 6 + 9) + 3 * (4 + 9)));
}

TEST(OperationCost, UnknownLengthsOfRangeFlushesWidenTheRange) {
  Work work;
  work.events.flushes_range = 2;
  work.events.entries_written = 1000;
  const OperationCost cost = CostOf(RoundCosts(), {.cpus = 1}, work);
  EXPECT_EQ(cost.caller, (Range{1000 * 2 + 2 * 4, 1000 * 20 + 2 * 40, 1000 * 200 + 2 * 33 * 400}));
}

TEST(OperationCost, WritingBackEveryCacheHappensOnEveryProcessor) {
  Work work;
  work.events.cache_flushes_all = 1;
  const OperationCost cost = CostOf(RoundCosts(), {.cpus = 2}, work);
  EXPECT_EQ(cost.caller, Ten(12 + 7 + 8));
  EXPECT_EQ(cost.others, Ten(12 + 9));
}

TEST(OperationCost, IsolatedProcessorsGetOneInterruptPerFlush) {
  model::EventCounters events;
  events.flushes_all = 3;
  events.flushes_range = 4;
  events.flush_ipis = 7 * 7;
  EXPECT_EQ(InterruptsOfIsolated({.cpus = 8, .isolated = 2}, events), 14);
  EXPECT_EQ(InterruptsOfIsolated({.cpus = 8}, events), 0);
}

Work AnyWork() {
  Work work;
  const auto count = [] { return *rc::gen::inRange<int64_t>(0, int64_t{1} << 40); };
  model::EventCounters::ForEach(work.events, [&](const char*, int64_t& value, bool) { value = count(); });
  work.pages_allocated = count();
  work.pages_freed = count();
  work.zone_locks = count();
  work.zone_list_blocks = count();
  work.pages_zeroed = count();
  work.pages_copied = count();
  return work;
}

FlushTargets AnyTargets() {
  FlushTargets targets;
  targets.cpus = *rc::gen::inRange<uint32_t>(1, 4097);
  targets.isolated = *rc::gen::inRange<uint32_t>(0, targets.cpus);
  targets.interrupts_per_mille =
      *rc::gen::element(FlushTargets::kOneAtATime, FlushTargets::kParallel, FlushTargets::kUnknown);
  targets.local_flushes_are_full = *rc::gen::arbitrary<bool>();
  return targets;
}

bool NeverLess(const OperationCost& more, const OperationCost& less) {
  bool all = true;
  for (Bound bound : kBounds) {
    all = all && more.caller.at(bound) >= less.caller.at(bound) && more.others.at(bound) >= less.others.at(bound);
  }
  return all;
}

const OperationCosts& AnyCosts() { return ProfileOf(*rc::gen::elementOf(kCpuModels)).operations; }

RC_GTEST_PROP(OperationCostProperties, RangesAreOrdered, ()) {
  const OperationCost cost = CostOf(AnyCosts(), AnyTargets(), AnyWork());
  RC_ASSERT(cost.caller.IsOrdered());
  RC_ASSERT(cost.others.IsOrdered());
  RC_ASSERT(cost.zone_lock.IsOrdered());
  for (Bound bound : kBounds) RC_ASSERT(cost.zone_lock.at(bound) <= cost.caller.at(bound));
}

RC_GTEST_PROP(OperationCostProperties, MoreProcessorsNeverCostLess, ()) {
  const OperationCosts& costs = AnyCosts();
  const Work work = AnyWork();
  FlushTargets targets = AnyTargets();
  const OperationCost before = CostOf(costs, targets, work);
  targets.cpus += *rc::gen::inRange<uint32_t>(0, 100);
  RC_ASSERT(NeverLess(CostOf(costs, targets, work), before));
}

RC_GTEST_PROP(OperationCostProperties, MoreOfAnyEventNeverCostsLess, ()) {
  const OperationCosts& costs = AnyCosts();
  const FlushTargets targets = AnyTargets();
  Work work = AnyWork();
  const OperationCost before = CostOf(costs, targets, work);
  std::vector<int64_t*> counters;
  model::EventCounters::ForEach(work.events, [&](const char*, int64_t& value, bool) { counters.push_back(&value); });
  **rc::gen::elementOf(counters) += 1000;
  work.zone_locks += *rc::gen::inRange(0, 2);
  RC_ASSERT(NeverLess(CostOf(costs, targets, work), before));
}

RC_GTEST_PROP(OperationCostProperties, TheCostOfTwoWorksIsTheSum, ()) {
  const OperationCosts& costs = AnyCosts();
  const FlushTargets targets{.cpus = *rc::gen::inRange<uint32_t>(1, 64)};
  Work first = AnyWork();
  Work second = AnyWork();
  Work both = first;
  both.events += second.events;
  both.pages_allocated += second.pages_allocated;
  both.pages_freed += second.pages_freed;
  both.zone_locks += second.zone_locks;
  both.zone_list_blocks += second.zone_list_blocks;
  both.pages_zeroed += second.pages_zeroed;
  both.pages_copied += second.pages_copied;
  OperationCost sum = CostOf(costs, targets, first);
  sum += CostOf(costs, targets, second);
  const OperationCost of_both = CostOf(costs, targets, both);
  // The high end may be less for both: the length of range flushes is known less well for each.
  RC_ASSERT(of_both.caller.low == sum.caller.low);
  RC_ASSERT(of_both.caller.typical == sum.caller.typical);
  RC_ASSERT(of_both.others.typical == sum.others.typical);
  RC_ASSERT(of_both.zone_lock == sum.zone_lock);
}

}  // namespace
}  // namespace dmfrag::cost
