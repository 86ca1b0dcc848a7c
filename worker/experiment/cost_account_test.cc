#include "worker/experiment/cost_account.h"

#include "gtest/gtest.h"
#include "worker/cost/cpu_profile.h"
#include "worker/cost/operation_cost.h"
#include "worker/cost/range.h"

namespace dmfrag::experiment {
namespace {

using cost::CpuModel;
using cost::OperationCosts;
using cost::Range;
using Kind = CostAccount::Kind;

constexpr int64_t kGiB = int64_t{1} << 30;

const OperationCosts& Costs() { return cost::ProfileOf(CpuModel::kZen3).operations; }

CostConfig Config() {
  return {.profile = cost::ProfileOf(CpuModel::kZen3),
          .targets = {.cpus = 8, .isolated = 3},
          .working_sets = cost::WorkingSets::Guess(64 * kGiB)};
}

// 64 GiB, of which `gib` GiB are mapped with 4K pages and the rest with 2M pages.
model::DirectMapCounters Map(uint64_t gib) {
  model::DirectMapCounters map;
  map.pages_4k = gib << 18;
  map.pages_2m = (64 - gib) << 9;
  return map;
}

TEST(CostAccountTest, AnOperationCostsWhatItAddedToTheCounters) {
  CostAccount account(Config(), 2);
  model::EventCounters events;
  events.flushes_all = 100;  // from before
  events.cpa_requests = 5;
  account.Start(events, {.locks = 10, .list_blocks = 100});
  events.cpa_requests += 2;
  account.Finish(1, Kind::kAllocation, 1, events, {.locks = 11, .list_blocks = 104});
  const RunCost cost = account.Result(Map(0));
  const Range locked = Costs().zone_lock.value + Costs().zone_list_block.value * 4;
  EXPECT_EQ(cost.users[0].cycles, cost::OperationCost{});
  EXPECT_EQ(cost.users[1].cycles.zone_lock, locked);
  EXPECT_EQ(cost.users[1].cycles.caller,
            locked + Costs().cpa_request.value * 2 + Costs().page_allocate.value + Costs().page_zero.value);
  EXPECT_EQ(cost.users[1].cycles.others, Range{});
  EXPECT_EQ(cost.users[1].allocations.max(), cost.users[1].cycles.caller.typical);
  EXPECT_EQ(cost.users[1].frees.count(), 0);
}

TEST(CostAccountTest, AHitOfAPerCpuListCostsItsConstant) {
  CostAccount account(Config(), 1);
  model::EventCounters events;
  events.flushes_all = 3;
  account.Start(events, {.locks = 1, .list_blocks = 2});
  account.Finish(0, Kind::kAllocation, 0, events, {.locks = 1, .list_blocks = 2});
  account.Start(events, {.locks = 1, .list_blocks = 2});
  account.Finish(0, Kind::kFree, 0, events, {.locks = 1, .list_blocks = 2});
  const UserCost cost = account.Result(Map(0)).users[0];
  EXPECT_EQ(cost.cycles.Total(), Costs().page_allocate.value + Costs().page_free.value);
  EXPECT_EQ(cost.allocations.max(), Costs().page_allocate.value.typical);
  EXPECT_EQ(cost.frees.max(), Costs().page_free.value.typical);
  EXPECT_EQ(cost.isolated_interrupts, 0);
}

// A look for a cache makes a free dearer than the hit of a list that it is otherwise.
TEST(CostAccountTest, WhatACacheDoesAtAFreeIsPartOfIt) {
  CostAccount account(Config(), 1);
  model::EventCounters events;
  account.Start(events, {});
  events.free_checks = 1;
  account.Finish(0, Kind::kFree, 0, events, {});
  EXPECT_EQ(account.Result(Map(0)).users[0].cycles.Total(), Costs().page_free.value + Costs().free_check.value);
  account.Start(events, {});
  events.cache_pages_zeroed = 1;
  events.temporary_mappings = 1;
  events.local_flushes = 1;
  account.Finish(0, Kind::kFree, 0, events, {});
  EXPECT_EQ(account.Result(Map(0)).users[0].cycles.Total(),
            Costs().page_free.value * 2 + Costs().free_check.value + Costs().page_zero.value +
                Costs().temporary_mapping.value + Costs().flush_page.value);
}

TEST(CostAccountTest, ChangedFiguresOfAProfileAreTaken) {
  CostConfig config = Config();
  config.profile.operations.page_free.value = Range::Exactly(17);
  CostAccount account(config, 1);
  account.Start({}, {});
  account.Finish(0, Kind::kFree, 0, {}, {});
  EXPECT_EQ(account.Result(Map(0)).users[0].cycles.Total(), Range::Exactly(17));
}

TEST(CostAccountTest, FlushesReachTheIsolatedProcessors) {
  CostAccount account(Config(), 1);
  model::EventCounters events;
  account.Start(events, {});
  events.flushes_range = 2;
  account.Finish(0, Kind::kFree, 0, events, {});
  const RunCost cost = account.Result(Map(0));
  EXPECT_EQ(cost.users[0].isolated_interrupts, 6);
  EXPECT_EQ(cost.users[0].frees.count(), 1);
  EXPECT_GT(cost.users[0].cycles.others.low, 0);
  EXPECT_EQ(cost.users[0].frees.max(), cost.users[0].cycles.caller.typical) << "others do not delay the caller twice";
}

TEST(CostAccountTest, TheTotalIsTheSumOfUsers) {
  CostAccount account(Config(), 3);
  for (size_t user = 0; user < 3; ++user) {
    account.Start({}, {});
    account.Finish(user, Kind::kAllocation, static_cast<int64_t>(user), {}, {});
  }
  const RunCost cost = account.Result(Map(0));
  const UserCost total = cost.Total();
  EXPECT_EQ(total.allocations.count(), 3);
  EXPECT_EQ(total.allocations.max(), cost.users[2].allocations.max());
  EXPECT_EQ(total.cycles.caller,
            cost.users[0].cycles.caller + cost.users[1].cycles.caller + cost.users[2].cycles.caller);
}

TEST(CostAccountTest, TheMeanOverheadIsWeightedByTime) {
  CostAccount account(Config(), 1);
  EXPECT_FALSE(account.Result(Map(0)).translation_ppm_mean.has_value()) << "nothing was observed";
  account.Observe(0, Map(64));
  account.Observe(3000, Map(0));
  account.Observe(4000, Map(32));
  const int64_t whole = account.Result(Map(0)).translation_ppm.typical;
  const int64_t half = account.Result(Map(32)).translation_ppm.typical;
  EXPECT_GT(half, whole);
  EXPECT_EQ(account.Result(Map(32)).translation_ppm_mean, (3 * whole + half) / 4);
}

TEST(CostAccountTest, TheWarmUpIsForgotten) {
  CostAccount account(Config(), 1);
  account.Start({}, {});
  account.Finish(0, Kind::kAllocation, 7, {}, {});
  account.Observe(1000, Map(64));
  account.Reset();
  const RunCost cost = account.Result(Map(0));
  ASSERT_EQ(cost.users.size(), 1u);
  EXPECT_EQ(cost.users[0].cycles, cost::OperationCost{});
  EXPECT_EQ(cost.users[0].allocations.count(), 0);
  EXPECT_FALSE(cost.translation_ppm_mean.has_value());
}

}  // namespace
}  // namespace dmfrag::experiment
