#include "worker/experiment/run.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/workload/closed_form.h"

namespace dmfrag::experiment {
namespace {

using workload::Constant;
using workload::Exponential;
using workload::Uniform;

constexpr uint64_t kMib = 1 << 20;

workload::UserConfig Secretmem() {
  return {"secretmem", workload::SecretmemConfig{Exponential{20000}, Uniform{1, 64}, Exponential{2000000}}};
}

workload::UserConfig Ordinary(const std::string& name, model::Migratetype type, uint64_t interval_us, uint64_t max_size,
                              uint64_t lifetime_us, unsigned order = 0) {
  return {name, workload::OrdinaryConfig{type, model::Order(order), Exponential{interval_us}, Uniform{1, max_size},
                                         Exponential{lifetime_us}}};
}

// A machine that ordinary traffic keeps half full, and secret areas on it.
RunConfig Config(const std::string& cache, uint64_t mib = 512) {
  return {.machine = {.memory = *model::MemoryMap::Pc(mib * kMib), .mapping = {}, .cpus = 4},
          .cache = policy::DefaultConfig(cache),
          .mix = {{Secretmem(), Ordinary("anon", model::Migratetype::kMovable, 20000, 400, 4000000),
                   Ordinary("slab", model::Migratetype::kUnmovable, 2000, 4, 5000000),
                   Ordinary("stack", model::Migratetype::kUnmovable, 5000, 1, 3000000, 2)}},
          .length = {.duration_us = 20000000},
          .seed = 1};
}

RunResult MustRun(const RunConfig& config) {
  auto result = experiment::Run(config);
  EXPECT_OK(result);
  return *std::move(result);
}

// Everything in one line, to compare runs.
std::string Fingerprint(const RunResult& result) {
  std::string text;
  const auto add = [&](int64_t value) { text += std::to_string(value) + " "; };
  for (const UserResult& user : result.users) {
    model::EventCounters::ForEach(user.events, [&](const char*, int64_t value, bool) { add(value); });
    add(user.live_pages);
    add(user.protected_pages);
  }
  for (const Sample& sample : result.series) {
    add(static_cast<int64_t>(sample.time_us));
    add(sample.splits_2m);
    add(sample.direct_map_4k_kib);
    add(sample.direct_map_2m_kib);
    add(sample.direct_map_1g_kib);
    add(sample.held_pages);
    add(sample.free_pages);
    add(sample.blocks_restored);
    add(sample.shrunk_pages);
  }
  add(result.free_2m_blocks);
  add(result.free_pages);
  add(result.held_pages_max);
  return text;
}

TEST(RunTest, TheSameConfigurationGivesTheSameResult) {
  for (const std::string cache : {"none", "global", "per_user"}) {
    const std::string once = Fingerprint(MustRun(Config(cache)));
    EXPECT_EQ(Fingerprint(MustRun(Config(cache))), once);
    RunConfig other = Config(cache);
    other.seed = 2;
    EXPECT_NE(Fingerprint(MustRun(other)), once);
  }
}

TEST(RunTest, SeveralNodesShareTheSameWork) {
  for (const std::string cache : {"none", "global", "per_user"}) {
    const RunResult one = MustRun(Config(cache));
    RunConfig config = Config(cache);
    config.machine.numa_nodes = 2;
    const RunResult two = MustRun(config);
    EXPECT_EQ(Fingerprint(MustRun(config)), Fingerprint(two));
    EXPECT_NE(Fingerprint(one), Fingerprint(two));
    EXPECT_EQ(two.TotalEvents().operations, one.TotalEvents().operations);
    EXPECT_EQ(two.TotalLivePages(), one.TotalLivePages());
    EXPECT_EQ(two.TotalEvents().allocations_failed, 0);
  }
  RunConfig config = Config("none");
  config.machine.numa_nodes = 5;
  EXPECT_THAT(experiment::Run(config),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("5 NUMA nodes")));
}

TEST(RunTest, OperationsDoNotDependOnTheCache) {
  const RunResult none = MustRun(Config("none"));
  const RunResult global = MustRun(Config("global"));
  EXPECT_EQ(none.TotalEvents().operations, global.TotalEvents().operations);
  EXPECT_EQ(none.TotalLivePages(), global.TotalLivePages());
  EXPECT_EQ(none.TotalEvents().allocations_failed, 0);
  EXPECT_EQ(global.TotalEvents().allocations_failed, 0);
}

TEST(RunTest, GlobalSplitsFewerLargePagesThanNone) {
  int64_t none = 0;
  int64_t global = 0;
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    RunConfig config = Config("none");
    config.seed = seed;
    none += MustRun(config).TotalEvents().splits_2m;
    config = Config("global");
    config.seed = seed;
    global += MustRun(config).TotalEvents().splits_2m;
  }
  EXPECT_LT(global, none);
  EXPECT_GT(global, 0);
}

CostConfig SomeCost(uint32_t cpus = 4) {
  return {.profile = cost::ProfileOf(cost::CpuModel::kSkylakeSp),
          .targets = {.cpus = cpus, .isolated = 1},
          .working_sets = cost::WorkingSets::Guess(512 * kMib)};
}

// Each has blocks of its own, and pays for them itself.
TEST(RunTest, PerUserKeepsUsersApart) {
  RunConfig config = Config("per_user");
  config.mix.users.push_back(Secretmem());
  config.mix.users.back().name = "vault";
  config.length.sample_interval_us = 0;
  const RunResult apart = MustRun(config);
  config.cache = policy::DefaultConfig("global");
  const RunResult together = MustRun(config);
  EXPECT_GT(apart.users[0].events.refills, 0);
  EXPECT_GT(apart.users.back().events.refills, 0);
  EXPECT_GE(apart.TotalEvents().refills, together.TotalEvents().refills);
  EXPECT_EQ(apart.TotalEvents().diverted_pages, 0);
  EXPECT_EQ(apart.users[0].live_pages, together.users[0].live_pages);
}

TEST(RunTest, AskingForACostChangesNothingElse) {
  RunConfig config = Config("global");
  const RunResult without = MustRun(config);
  EXPECT_FALSE(without.cost.has_value());
  config.cost = SomeCost();
  const RunResult with = MustRun(config);
  EXPECT_EQ(Fingerprint(with), Fingerprint(without));
  ASSERT_TRUE(with.cost.has_value());
}

TEST(RunTest, EveryOperationHasACostAndEveryFlushIsInIt) {
  RunConfig config = Config("none");
  config.cost = SomeCost();
  const RunResult result = MustRun(config);
  const model::EventCounters events = result.TotalEvents();
  const UserCost total = result.cost->Total();
  EXPECT_EQ(total.allocations.count() + total.frees.count(), events.operations);
  EXPECT_EQ(total.isolated_interrupts, events.flushes_all + events.flushes_range);
  // One of three other processors is isolated.
  EXPECT_EQ(total.isolated_interrupts * 3, events.flush_ipis);
  EXPECT_TRUE(total.cycles.Total().IsOrdered());
  EXPECT_GT(total.cycles.zone_lock.typical, 0);
  EXPECT_GT(result.cost->translation_ppm.typical, 0);
  EXPECT_TRUE(result.cost->translation_ppm_mean.has_value());
  // A secret page's fault: a list hit 150, a request 400, an entry 60, a page zeroed 500, a flush of a page 300 + 3150
  // + 3 x 420. Its free: 120 + 400 + 60 + 500. Quantiles are up to a sixteenth too high.
  const UserCost& secretmem = result.cost->users[0];
  EXPECT_GE(secretmem.allocations.Quantile(500), 5820);
  EXPECT_LE(secretmem.allocations.Quantile(500), 5820 * 17 / 16);
  EXPECT_GE(secretmem.frees.Quantile(500), 1080);
  EXPECT_LE(secretmem.frees.Quantile(500), 1080 * 17 / 16);
  // Ordinary pages never flush.
  EXPECT_EQ(result.cost->users[1].cycles.others, cost::Range{});
  EXPECT_GT(result.cost->users[0].allocations.max(), result.cost->users[0].allocations.Quantile(500)) << "splits";
}

TEST(RunTest, CostIsCountedFromTheEndOfTheWarmUp) {
  RunConfig config = Config("none");
  config.length.warmup_us = 5000000;
  config.cost = SomeCost();
  const RunResult result = MustRun(config);
  const UserCost total = result.cost->Total();
  EXPECT_EQ(total.allocations.count() + total.frees.count(), result.TotalEvents().operations);
}

TEST(RunTest, MoreProcessorsCostMore) {
  RunConfig config = Config("none");
  config.cost = SomeCost(4);
  const cost::OperationCost four = MustRun(config).cost->Total().cycles;
  config.machine.cpus = 64;
  config.cost = SomeCost(64);
  const cost::OperationCost many = MustRun(config).cost->Total().cycles;
  EXPECT_GT(many.caller.low, four.caller.low);
  EXPECT_GT(many.others.typical, 10 * four.others.typical);
}

TEST(RunTest, NoneHoldsNothing) {
  const RunResult result = MustRun(Config("none"));
  EXPECT_EQ(result.held_pages, 0);
  EXPECT_EQ(result.held_pages_max, 0);
  EXPECT_EQ(result.TotalEvents().refills, 0);
  EXPECT_EQ(result.cache_name, "");
}

TEST(RunTest, OnlyUsersOfPermissionsAreChargedForTheDirectMap) {
  const RunResult result = MustRun(Config("none"));
  EXPECT_GT(result.users[0].events.splits_2m, 0);
  EXPECT_GT(result.users[0].protected_pages, 0);
  EXPECT_EQ(result.users[0].protected_pages, result.users[0].live_pages);
  for (size_t user = 1; user < result.users.size(); ++user) {
    EXPECT_EQ(result.users[user].events.cpa_requests, 0);
    EXPECT_EQ(result.users[user].protected_pages, 0);
    EXPECT_GT(result.users[user].live_pages, 0);
  }
}

TEST(RunTest, FaultsSplitsAndInterruptsAddUp) {
  const model::EventCounters events = MustRun(Config("none")).TotalEvents();
  EXPECT_EQ(events.flushes_all, events.splits_2m + events.splits_1g);
  EXPECT_EQ(events.flush_ipis, 3 * (events.flushes_all + events.flushes_range));
  EXPECT_EQ(events.table_pages, events.splits_2m + events.splits_1g);
}

TEST(RunTest, TheWarmUpIsLeftOutOfTheCounters) {
  RunConfig config = Config("none");
  const RunResult whole = MustRun(config);
  config.length.warmup_us = 10000000;
  config.length.duration_us = 10000000;
  const RunResult second_half = MustRun(config);
  EXPECT_LT(second_half.TotalEvents().operations, whole.TotalEvents().operations);
  EXPECT_GT(second_half.TotalEvents().operations, 0);
  // The state at the end is the same.
  EXPECT_EQ(second_half.free_pages, whole.free_pages);
  EXPECT_EQ(second_half.direct_map, whole.direct_map);
  ASSERT_EQ(second_half.series.size(), 11);
  EXPECT_EQ(second_half.series.front().time_us, 0);
  EXPECT_EQ(second_half.series.front().splits_2m, 0);
  EXPECT_EQ(second_half.series.back().time_us, 10000000);
  EXPECT_EQ(second_half.series.back().splits_2m, second_half.TotalEvents().splits_2m);
  EXPECT_EQ(second_half.series.back().free_pages, second_half.free_pages);
}

// Whatever splits and collapses do, every sample's direct map covers the same memory.
TEST(RunTest, SamplesTellTheShapeOfTheDirectMap) {
  RunConfig config = Config("none", 3072);
  const RunResult result = MustRun(config);
  ASSERT_GT(result.series.size(), 2u);
  const Sample& first = result.series.front();
  EXPECT_GT(first.direct_map_1g_kib, 0);
  for (const Sample& sample : result.series) {
    EXPECT_EQ(sample.direct_map_4k_kib + sample.direct_map_2m_kib + sample.direct_map_1g_kib,
              first.direct_map_4k_kib + first.direct_map_2m_kib + first.direct_map_1g_kib);
  }
  EXPECT_GT(result.series.back().direct_map_4k_kib, first.direct_map_4k_kib);
  EXPECT_EQ(result.series.back().direct_map_2m_kib, static_cast<int64_t>(result.direct_map.kib_2m()));
  EXPECT_EQ(result.series.back().direct_map_1g_kib, static_cast<int64_t>(result.direct_map.kib_1g()));
}

// As the counters of users, sums since the end of the warm-up.
TEST(RunTest, SamplesCountWhatCachesGaveBack) {
  RunConfig config = Config("global");
  config.cache.options.shrink_below_free_per_mille = 1000;  // always short of memory
  const RunResult whole = MustRun(config);
  EXPECT_GT(whole.TotalEvents().shrunk_pages, 0);
  EXPECT_EQ(whole.series.back().shrunk_pages, whole.TotalEvents().shrunk_pages);
  EXPECT_EQ(whole.series.back().blocks_restored, whole.TotalEvents().blocks_restored);
  config.length.warmup_us = 10000000;
  config.length.duration_us = 10000000;
  const RunResult second_half = MustRun(config);
  EXPECT_EQ(second_half.series.front().shrunk_pages, 0);
  EXPECT_LT(second_half.series.back().shrunk_pages, whole.series.back().shrunk_pages);
}

// Free blocks of order 9 and 10 are free memory outside of which UnusableFreePerMille counts.
TEST(RunTest, WholeBlocksLeftFreeAreCounted) {
  const RunResult result = MustRun(Config("none"));
  EXPECT_GT(result.free_2m_blocks, 0);
  EXPECT_LT(result.free_2m_blocks, 256) << "of 512 MiB, some are in use";
  EXPECT_EQ((result.free_pages - result.free_2m_blocks * 512) * 1000 / result.free_pages,
            result.unusable_free_2m_per_mille);
}

TEST(RunTest, TheLimitOfOperationsIsExact) {
  RunConfig config = Config("none");
  config.length.max_operations = 12345;
  const RunResult result = MustRun(config);
  EXPECT_EQ(result.outcome, RunOutcome::kStoppedAtLimit);
  EXPECT_EQ(result.TotalEvents().operations, 12345);
  EXPECT_EQ(MustRun(Config("none")).outcome, RunOutcome::kCompleted);
}

TEST(RunTest, RunningOutOfMemoryIsCounted) {
  for (const std::string cache : {"none", "global", "per_user"}) {
    RunConfig config = Config(cache, 256);
    config.mix.users.push_back(Ordinary("hog", model::Migratetype::kMovable, 10000, 500, 100000000));
    const RunResult result = MustRun(config);
    EXPECT_EQ(result.outcome, RunOutcome::kCompleted);
    EXPECT_GT(result.TotalEvents().allocations_failed, 0);
    EXPECT_LT(result.free_pages, 10000);
  }
}

TEST(RunTest, PressureMakesTheCacheShrinkInsteadOfAllocationsFail) {
  // A load that fills memory but for a little: what the cache holds idle must be given up.
  RunConfig config = Config("global", 256);
  config.mix.users = {{"burst", workload::SecretmemConfig{Constant{1000000}, Constant{20000}, Constant{500000}}},
                      {"fill", workload::OrdinaryConfig{model::Migratetype::kMovable, model::Order(0),
                                                        Constant{1600000}, Constant{50000}, Constant{300000}}}};
  config.length.duration_us = 3000000;
  const RunResult result = MustRun(config);
  EXPECT_GT(result.TotalEvents().shrunk_pages, 0);
  EXPECT_EQ(result.TotalEvents().allocations_failed, 0);
}

// Files fill what a little of other traffic leaves, over and over; as page cache, or pinned.
RunConfig FileServer(const std::string& cache, bool page_cache) {
  RunConfig config = Config(cache, 256);
  config.mix.users = {{"secretmem", workload::SecretmemConfig{Exponential{5000}, Uniform{1, 64}, Exponential{2000000}}},
                      Ordinary("anon", model::Migratetype::kMovable, 40000, 400, 4000000)};
  if (page_cache) {
    config.mix.users.push_back({"file", workload::PageCacheConfig{Exponential{10000}, Uniform{1, 400}}});
  } else {
    config.mix.users.push_back(
        {"file", workload::OrdinaryConfig{model::Migratetype::kMovable, model::Order(0), Exponential{10000},
                                          Uniform{1, 400}, Constant{600000000}}});
  }
  return config;
}

// Every kind whose objects have pages and an end of their own: three blocks each 10 ms, for half a second.
std::vector<workload::UserConfig> EveryKind() {
  const Constant interval{10000};
  const Constant size{3};
  const Constant life{500000};
  const auto graphics = [&](unsigned order) {
    return workload::GraphicsConfig{interval,
                                    model::Order(order),
                                    size,
                                    life,
                                    workload::GraphicsConfig::MemoryType::kWriteCombining,
                                    /*pool_per_mille=*/0};
  };
  return {{"secretmem", workload::SecretmemConfig{interval, size, life}},
          {"page_tables", workload::PageTablesConfig{interval, size, life}},
          {"guest_memory", workload::GuestMemoryConfig{interval, size, life}},
          {"xpfo", workload::XpfoConfig{interval, size, life}},
          {"memory_failure", workload::MemoryFailureConfig{interval, size, life}},
          {"graphics", graphics(0)},
          {"large_graphics", graphics(9)},
          {"uncached", workload::UncachedConfig{interval, model::Order(0), size, life}},
          {"large_uncached", workload::UncachedConfig{interval, model::Order(10), size, life}},
          {"dma", workload::DmaConfig{interval, model::Order(0), size, life}},
          {"large_dma", workload::DmaConfig{interval, model::Order(3), size, life}},
          {"anonymous", workload::AnonymousConfig{interval, size, life}},
          {"huge_page", workload::HugePageConfig{interval, size, life}},
          {"slab", workload::SlabConfig{interval, model::Order(1), size, life, true}},
          {"network", workload::NetworkConfig{interval, model::Order(3), size, life}}};
}

TEST(RunTest, EveryKindHoldsWhatTheClosedFormSays) {
  for (const std::string cache : {"none", "global", "per_user"}) {
    RunConfig config = Config(cache, 4096);
    config.mix.users = EveryKind();
    config.length = {.duration_us = 5000000};
    const RunResult result = MustRun(config);
    EXPECT_EQ(result.TotalEvents().allocations_failed, 0);
    for (size_t i = 0; i < config.mix.users.size(); ++i) {
      const workload::UserConfig& user = config.mix.users[i];
      const double expected = workload::ExpectedLivePages(user, config.mix, workload::SimTime(5000000));
      EXPECT_NEAR(static_cast<double>(result.users[i].live_pages), expected, 0.02 * expected) << user.name;
      const bool has_permission = workload::TrafficOf(user).permission != nullptr;
      EXPECT_EQ(result.users[i].protected_pages, has_permission ? result.users[i].live_pages : 0) << user.name;
      const bool is_cached = has_permission && workload::TrafficOf(user).order == model::Order(0) &&
                             user.name != "memory_failure" && user.name != "graphics";
      EXPECT_EQ(result.users[i].uses_cache, is_cached) << user.name;
    }
  }
}

// Buffers take half of the machine, and leave it to the pool; programs want more than the other half afterwards.
TEST(RunTest, PoolsGiveUpIdleBlocksBeforeAllocationsFail) {
  constexpr uint64_t kSecond = 1000000;
  const workload::Distribution size = Constant{64};
  RunConfig config = Config("none", 256);
  config.mix = {.users = {{"buffers", workload::GraphicsConfig{Constant{kSecond}, model::Order(9), size, Constant{10},
                                                               workload::GraphicsConfig::MemoryType::kWriteCombining,
                                                               /*pool_per_mille=*/1000}},
                          {"programs",
                           workload::AnonymousConfig{Constant{3 * kSecond}, Constant{45000}, Constant{60 * kSecond}}}}};
  config.length = {.duration_us = 2 * kSecond};
  const RunResult pooled = MustRun(config);
  EXPECT_EQ(pooled.users[0].live_pages, 64 * 512);
  EXPECT_EQ(pooled.users[0].protected_pages, 64 * 512);
  EXPECT_EQ(pooled.users[0].events.splits_2m, 64);
  config.length = {.duration_us = 3 * kSecond + 1, .warmup_us = 0};
  config.mix.phases = {
      {.window = {.start_us = 3 * kSecond / 2, .duration_us = 60 * kSecond}, .rates = {{"buffers", 0}}}};
  const RunResult shrunk = MustRun(config);
  EXPECT_EQ(shrunk.TotalEvents().allocations_failed, 0);
  EXPECT_EQ(shrunk.users[1].live_pages, 45000);
  EXPECT_LE(shrunk.users[0].live_pages, 40 * 512);
  EXPECT_EQ(shrunk.users[0].live_pages % 512, 0);
}

TEST(RunTest, ThePageCacheIsDroppedBeforeAllocationsFail) {
  const RunResult pinned = MustRun(FileServer("none", false));
  EXPECT_GT(pinned.TotalEvents().allocations_failed, 0);
  EXPECT_EQ(pinned.TotalEvents().pages_reclaimed, 0);
  const RunResult clean = MustRun(FileServer("none", true));
  EXPECT_EQ(clean.TotalEvents().allocations_failed, 0);
  EXPECT_GT(clean.TotalEvents().pages_reclaimed, 100000);
  EXPECT_GT(clean.free_pages, 1000);  // kswapd keeps some free
  // Files stay until they are dropped; what was dropped is not live.
  EXPECT_EQ(clean.users[2].live_pages, clean.users[2].events.operations - clean.TotalEvents().pages_reclaimed);
}

TEST(RunTest, RefillsOfWholeBlocksGetThemByCompaction) {
  const model::EventCounters events = MustRun(FileServer("global", true)).TotalEvents();
  EXPECT_EQ(events.allocations_failed, 0);
  EXPECT_GT(events.refills, 10);
  EXPECT_GT(events.pages_moved, 0);
  EXPECT_GT(events.compact_success, 0);
}

// Users whose objects are loaded, kept, and gone: objects that live long, times their mean size.
TEST(RunTest, LivePagesOfCodeAreThoseOfTheClosedForm) {
  const auto live = [](const RunResult& result, size_t user) {
    return static_cast<double>(result.users[user].live_pages);
  };
  const Constant often{500};
  const Constant life{2000000};
  for (const std::string cache : {"none", "global", "per_user"}) {
    for (const model::KernelRelease release :
         {model::KernelRelease::k6_1, model::KernelRelease::k6_12, model::KernelRelease::k6_16}) {
      RunConfig config = Config(cache, 2048);
      config.machine.cpa_release = release;
      config.mix.users = {{"module", workload::ModuleConfig{often, Uniform{1, 60}, life}},
                          {"trampoline", workload::TrampolineConfig{often, Uniform{1, 3}, life}},
                          {"vmalloc", workload::VmallocConfig{often, Uniform{1, 16}, life}}};
      config.length.duration_us = 5000000;
      const RunResult result = MustRun(config);
      EXPECT_EQ(result.TotalEvents().allocations_failed, 0);
      const workload::SimTime end(config.length.duration_us);
      for (size_t user = 0; user < result.users.size(); ++user) {
        const double expected = workload::ExpectedLivePages(config.mix.users[user], config.mix, end);
        // Text is in blocks of the ROX cache then, the last of which are partly free: 4 in 10 pages.
        const bool in_blocks = user == 0 && release == model::KernelRelease::k6_16;
        EXPECT_NEAR(live(result, user) / expected, 1, in_blocks ? 0.05 : 0.02) << result.users[user].name;
        EXPECT_EQ(result.users[user].protected_pages, result.users[user].live_pages);
      }
    }
  }
}

TEST(RunTest, NogbpagesHasNo1GPages) {
  RunConfig config = Config("none");
  config.machine.mapping.gbpages = false;
  const RunResult result = MustRun(config);
  EXPECT_FALSE(result.has_1g_pages);
  EXPECT_EQ(result.TotalEvents().splits_1g, 0);
}

// The whole is the plain allocator when nobody uses permissions.
TEST(RunTest, WithoutUsersOfPermissionsCachesDoNotMatter) {
  RunConfig config = Config("none");
  config.mix.users.erase(config.mix.users.begin());
  const RunResult none = MustRun(config);
  for (const char* cache : {"global", "per_user"}) {
    config.cache.type = cache;
    EXPECT_EQ(Fingerprint(MustRun(config)), Fingerprint(none)) << cache;
  }
}

TEST(RunTest, ABadConfigurationIsRefused) {
  RunConfig config = Config("none");
  config.cache.type = "nothing";
  EXPECT_THAT(experiment::Run(config), StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("nothing")));
  config = Config("none");
  config.machine.cpus = 0;
  EXPECT_THAT(experiment::Run(config),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("processors")));
}

}  // namespace
}  // namespace dmfrag::experiment
