#include "worker/convert/result_to_proto.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dmfrag::convert {
namespace {

using experiment::RunResult;

RunResult SomeRun() {
  RunResult run;
  run.cache_name = "global";
  run.users.resize(2);
  run.users[0].name = "z-secret";
  run.users[0].uses_cache = true;
  run.users[0].events.splits_2m = 3;
  run.users[0].events.refills = 4;
  run.users[0].live_pages = 5;
  run.users[0].protected_pages = 5;
  run.users[1].name = "anon";
  run.users[1].events.operations = 9;
  run.users[1].events.diverted_pages = 2;
  run.users[1].live_pages = 6;
  run.held_pages = 7;
  run.direct_map.pages_4k = 10;
  return run;
}

experiment::RunCost SomeCost() {
  experiment::RunCost cost{
      .users = std::vector<experiment::UserCost>(2), .translation_ppm = {10, 20, 30}, .translation_ppm_mean = 15};
  cost.users[0].cycles = {.caller = {100, 200, 300}, .others = {1, 2, 3}, .zone_lock = {4, 5, 6}};
  cost.users[0].allocations.Record(20);
  cost.users[0].isolated_interrupts = 9;
  cost.users[1].cycles.caller = {1000, 2000, 3000};
  cost.users[1].allocations.Record(10);
  cost.users[1].frees.Record(30);
  return cost;
}

TEST(ResultFromRunTest, CostIsTheSumOfUsersWithQuantilesOfAll) {
  RunResult run = SomeRun();
  run.cost = SomeCost();
  const v1::JobResult result = ResultFromRun(run);
  const v1::Metrics& metrics = result.metrics();
  EXPECT_EQ(metrics.predicted_cycles_low(), 1101);
  EXPECT_EQ(metrics.predicted_cycles(), 2202);
  EXPECT_EQ(metrics.predicted_cycles_high(), 3303);
  EXPECT_EQ(metrics.zone_lock_cycles(), 5);
  EXPECT_EQ(metrics.allocation_cycles_p50(), 10);
  EXPECT_EQ(metrics.allocation_cycles_max(), 20);
  EXPECT_EQ(metrics.free_cycles_p99(), 30);
  EXPECT_EQ(metrics.allocation_cycles_mean(), 15);
  EXPECT_EQ(metrics.free_cycles_mean(), 30);
  EXPECT_EQ(metrics.permission_cycles_per_allocation(), 202) << "of z-secret alone, other CPUs included";
  EXPECT_EQ(metrics.flush_ipis_isolated(), 9);
  EXPECT_EQ(metrics.translation_ppm_low(), 10);
  EXPECT_EQ(metrics.translation_ppm_mean(), 15);
  int64_t of_users = 0;
  for (const v1::Attribution& row : result.attributions()) {
    if (row.metric() == "predicted_cycles") of_users += row.value();
    EXPECT_FALSE(row.user() == "anon" && row.metric() == "permission_cycles_per_allocation");
    EXPECT_FALSE(row.user() == "z-secret" && row.metric() == "free_cycles_p50") << "it freed nothing";
  }
  EXPECT_EQ(of_users, 2202);
  run.users[0].uses_cache = false;
  EXPECT_FALSE(ResultFromRun(run).metrics().has_permission_cycles_per_allocation()) << "nobody changes permissions";
  run.cost->users[1].frees = {};
  EXPECT_FALSE(ResultFromRun(run).metrics().has_free_cycles_max()) << "nobody freed anything";
}

TEST(ResultFromRunTest, TotalsAreSumsOverUsers) {
  const v1::Metrics metrics = ResultFromRun(SomeRun()).metrics();
  EXPECT_EQ(metrics.splits_2m(), 3);
  EXPECT_EQ(metrics.live_pages(), 11);
  EXPECT_EQ(metrics.protected_pages(), 5);
  EXPECT_EQ(metrics.held_pages(), 7);
  EXPECT_EQ(metrics.direct_map_4k_kib(), 40);
}

bool IsOfCost(const std::string& metric) {
  return metric.find("_cycles") != std::string::npos || metric.rfind("translation_", 0) == 0 ||
         metric == "flush_ipis_isolated";
}

TEST(ResultFromRunTest, EveryMetricThatAppliesIsThereAndNoOther) {
  const v1::Metrics metrics = ResultFromRun(SomeRun()).metrics();
  RunResult with_cost = SomeRun();
  with_cost.cost = SomeCost();
  const v1::Metrics metrics_with_cost = ResultFromRun(with_cost).metrics();
  const auto* descriptor = v1::Metrics::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const auto* field = descriptor->field(i);
    const bool known = field->name().rfind("replay_", 0) != 0 && field->name() != "direct_map_1g_kib";
    const bool applies = known && !IsOfCost(field->name());
    EXPECT_EQ(metrics.GetReflection()->HasField(metrics_with_cost, field), known) << field->name();
    EXPECT_EQ(metrics.GetReflection()->HasField(metrics, field), applies) << field->name();
  }
  RunResult with_1g = SomeRun();
  with_1g.has_1g_pages = true;
  EXPECT_TRUE(ResultFromRun(with_1g).metrics().has_direct_map_1g_kib());
}

TEST(ResultFromRunTest, AttributionsNameUserAndCacheInOrder) {
  std::vector<std::string> rows;
  const v1::JobResult result = ResultFromRun(SomeRun());
  for (const v1::Attribution& row : result.attributions()) {
    rows.push_back(row.user() + "/" + row.cache() + "/" + row.metric() + "=" + std::to_string(row.value()));
  }
  EXPECT_THAT(rows, ::testing::ElementsAre("anon//live_pages=6", "anon//operations=9", "anon/global/diverted_pages=2",
                                           "z-secret/global/live_pages=5", "z-secret/global/protected_pages=5",
                                           "z-secret/global/refills=4", "z-secret/global/splits_2m=3"));
}

// Counters go by their names, so that none can be forgotten: each as a metric, and as one of who caused it.
TEST(ResultFromRunTest, EveryCounterIsAMetricAndIsAttributed) {
  RunResult run = SomeRun();
  int64_t next = 100;
  model::EventCounters::ForEach(run.users[0].events, [&](const char*, int64_t& value, bool) { value = ++next; });
  run.users[1].events = {};
  run.free_2m_blocks = 77;
  const v1::JobResult result = ResultFromRun(run);
  EXPECT_EQ(result.metrics().free_2m_blocks(), 77);
  int64_t expected = 100;
  model::EventCounters::ForEach(run.users[0].events, [&](const char* name, int64_t, bool) {
    SCOPED_TRACE(name);
    ++expected;
    const auto* field = v1::Metrics::descriptor()->FindFieldByName(name);
    ASSERT_NE(field, nullptr);
    EXPECT_EQ(result.metrics().GetReflection()->GetInt64(result.metrics(), field), expected);
    int64_t attributed = 0;
    for (const v1::Attribution& row : result.attributions()) {
      if (row.user() == "z-secret" && row.cache() == "global" && row.metric() == name) attributed += row.value();
    }
    EXPECT_EQ(attributed, expected);
  });
}

std::vector<std::string> SeriesNames(const v1::TimeSeries& series) {
  std::vector<std::string> names;
  for (const v1::Series& one : series.series()) names.push_back(one.metric());
  return names;
}

TEST(ResultFromRunTest, TimeSeriesFitTheirLimit) {
  RunResult run = SomeRun();
  EXPECT_FALSE(ResultFromRun(run).has_time_series());
  for (uint64_t i = 0; i < 4096; ++i) {
    run.series.push_back({.time_us = i * 1000000,
                          .splits_2m = 1 << 20,
                          .direct_map_4k_kib = int64_t{1} << 40,
                          .direct_map_2m_kib = 2,
                          .direct_map_1g_kib = 1,
                          .held_pages = 1 << 20,
                          .free_pages = int64_t{1} << 34,
                          .unusable_free_2m_per_mille = 3,
                          .blocks_restored = 4,
                          .shrunk_pages = 5});
  }
  const v1::TimeSeries series = ResultFromRun(run).time_series();
  EXPECT_LE(series.ByteSizeLong(), kMaxTimeSeriesBytes);
  EXPECT_GT(series.ByteSizeLong(), kMaxTimeSeriesBytes / 2);
  EXPECT_EQ(SeriesNames(series),
            (std::vector<std::string>{"splits_2m", "direct_map_4k_kib", "direct_map_2m_kib", "held_pages", "free_pages",
                                      "unusable_free_2m_per_mille", "blocks_restored", "shrunk_pages"}));
  for (const v1::Series& one : series.series()) EXPECT_EQ(one.values_size(), series.time_us_size());
  EXPECT_EQ(series.series(2).values(0), 2);
  EXPECT_EQ(series.series(6).values(0), 4);
  EXPECT_EQ(series.series(7).values(0), 5);
  EXPECT_EQ(series.time_us(0), 0);
  EXPECT_EQ(series.time_us(1), 2000000);
  run.has_1g_pages = true;
  const v1::TimeSeries with_1g = ResultFromRun(run).time_series();
  ASSERT_EQ(with_1g.series_size(), 9);
  EXPECT_EQ(with_1g.series(3).metric(), "direct_map_1g_kib");
  EXPECT_EQ(with_1g.series(3).values(0), 1);
  EXPECT_LE(with_1g.ByteSizeLong(), kMaxTimeSeriesBytes);
}

TEST(ResultFromReplayTest, ReportsEachComparedStep) {
  workload::ReplayInput input{.capture_id = "c",
                              .kernel = "6.1",
                              .memory = *model::MemoryMap::Pc(256 << 20),
                              .mapping = {},
                              .start_step = 4,
                              .start_runs = {},
                              .start_counters = {},
                              .steps = {},
                              .limitation = "none to speak of"};
  input.cpus = 4;
  experiment::ComparedStep exact;
  exact.prediction.index = 5;
  exact.prediction.action = "secret a 1";
  exact.prediction.source = workload::RequestSource::kFrames;
  exact.prediction.requests = 1;
  exact.prediction.map_events = {{0, model::MapLevel::k2M, model::FrameNumber(512), false}};
  exact.measured.emplace();
  exact.changed = true;
  experiment::ComparedStep wrong = exact;
  wrong.difference = 12;
  wrong.max_difference = 8;
  wrong.measured->level2_collapses = 3;
  wrong.map_events = {.recorded = 4, .in_place = 3, .unrecorded = 2, .as_set = true};
  wrong.dump = {.entries = 9, .equal_entries = 8};
  wrong.flushes.user = experiment::StepUser::kSecretFault;
  wrong.flushes.flushes = {.flush_tlb_all = 1, .flush_tlb_kernel_range = 10, .cpa_ranges = 0};
  wrong.interrupts = {.function_calls = 35, .flushes = {{.flush_tlb_all = 2, .flush_tlb_kernel_range = 10}}};
  experiment::ComparedStep unmeasured;
  experiment::BootComparison boot;
  boot.prediction.counters.direct_map_4k_kib = 8;
  boot.prediction.limitation = "a guess";
  boot.measured.emplace();
  boot.difference = 8;
  const v1::JobResult result =
      ResultFromReplay(input, {.steps = {exact, wrong, unmeasured}, .events = {}, .boot = boot});
  EXPECT_EQ(result.replay().boot().predicted().direct_map_4k_kib(), 8);
  EXPECT_TRUE(result.replay().boot().has_measured());
  EXPECT_EQ(result.replay().boot().difference(), 8);
  EXPECT_EQ(result.replay().boot().limitation(), "a guess");
  EXPECT_FALSE(ResultFromReplay(input, {.steps = {}, .events = {}}).replay().has_boot());
  EXPECT_EQ(result.metrics().replay_steps(), 2);
  EXPECT_EQ(result.metrics().replay_steps_with_change(), 2);
  EXPECT_EQ(result.metrics().replay_exact_steps(), 1);
  EXPECT_EQ(result.metrics().replay_max_abs_difference(), 8);
  EXPECT_FALSE(result.metrics().has_free_pages());
  EXPECT_EQ(result.replay().start_step(), 4);
  EXPECT_EQ(result.replay().limitation(), "none to speak of");
  ASSERT_EQ(result.replay().steps_size(), 3);
  EXPECT_FALSE(result.replay().steps(2).has_measured());
  ASSERT_EQ(result.replay().steps(0).events_size(), 1);
  EXPECT_EQ(result.replay().steps(0).events(0).pfn(), 512);
  EXPECT_EQ(result.replay().steps(0).events(0).level(), 2);
  EXPECT_FALSE(result.replay().steps(0).has_event_comparison());
  EXPECT_EQ(result.replay().steps(1).event_comparison().in_place(), 3);
  EXPECT_EQ(result.replay().steps(1).dump().equal_entries(), 8);
  EXPECT_FALSE(result.replay().steps(0).has_flushes());
  const v1::FlushComparison& flushes = result.replay().steps(1).flushes();
  EXPECT_EQ(flushes.user(), "secret fault");
  EXPECT_EQ(flushes.predicted().flush_tlb_all(), 1);
  EXPECT_EQ(flushes.predicted().ipis_per_other_cpu_milli(), 11000);
  EXPECT_EQ(flushes.measured().flush_tlb_all(), 2);
  EXPECT_EQ(flushes.measured().ipis_per_other_cpu_milli(), 11666);
  EXPECT_EQ(result.replay().steps(0).source(), v1::REQUEST_SOURCE_FRAMES);
  EXPECT_EQ(result.replay().steps(1).difference(), 12);
  EXPECT_FALSE(result.replay().steps(1).predicted().has_level2_collapses());
  EXPECT_EQ(result.replay().steps(1).measured().level2_collapses(), 3);
}

}  // namespace
}  // namespace dmfrag::convert
