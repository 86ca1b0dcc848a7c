// Predictions 18 to 20, 23, 26 and 30 to 32 of the project's domain notes, by their numbers: what users of permissions
// do to the page allocator's blocks and to the TLB, in whole runs on a machine of 1 GiB. The published table behind 19
// is in tests/e2e/examples_test.py.
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/experiment/run.h"

namespace dmfrag::tests {
namespace {

using experiment::RunConfig;
using experiment::RunResult;
using model::KernelRelease;
using model::TableSourceKind;
using workload::Constant;
using workload::Exponential;
using workload::Uniform;

constexpr uint64_t kForEver = ~uint64_t{0};
constexpr uint64_t kStartUs = 1'000'000;

RunResult MustRun(const RunConfig& config) {
  auto result = experiment::Run(config);
  EXPECT_OK(result);
  return *std::move(result);
}

RunConfig Machine(KernelRelease release) {
  return {.machine = {.memory = *model::MemoryMap::Pc(uint64_t{1} << 30),
                      .mapping = {},
                      .cpus = 4,
                      .cpa_release = release,
                      .allocator_release = release},
          .cache = {.type = "none", .options = {}},
          .mix = {},
          .length = {.duration_us = 10'000'000, .warmup_us = kStartUs, .sample_interval_us = 0}};
}

// A user that comes from `start_us` on and until `stop_us`, or for ever.
void Add(workload::UserConfig user, uint64_t start_us, uint64_t stop_us, workload::MixConfig& mix) {
  const auto off = [&](uint64_t from, uint64_t until) {
    if (from == until) return;
    mix.phases.push_back({.window = {.start_us = from, .duration_us = until - from}, .rates = {{user.name, 0}}});
  };
  off(0, start_us);
  off(stop_us, kForEver);
  mix.users.push_back(std::move(user));
}

// Reads files until memory is full one and a half times over.
void AddFiles(workload::MixConfig& mix) {
  Add({"files", workload::PageCacheConfig{Constant{40}, Exponential{16}, 10}}, 0, kStartUs, mix);
}

RunResult SecretsComeAndGo(TableSourceKind source, bool aged) {
  RunConfig config = Machine(KernelRelease::k6_12);
  config.machine.table_source = source;
  if (aged) AddFiles(config.mix);
  Add({"secrets", workload::SecretmemConfig{Exponential{5000}, Uniform{1, 64}, Uniform{1000000, 2000000}}}, kStartUs,
      5 * kStartUs, config.mix);
  return MustRun(config);
}

TEST(RunPrediction18, TablesOfThePageAllocatorLieInTheBlockTheySplitSoThatNoneCanBeRestored) {
  for (const bool aged : {false, true}) {
    SCOPED_TRACE(aged ? "aged" : "fresh");
    const RunResult run = SecretsComeAndGo(TableSourceKind::kBuddy, aged);
    const model::EventCounters events = run.TotalEvents();
    EXPECT_GT(events.splits_2m, 10);
    EXPECT_GE(10 * events.table_pages_in_split_block, 9 * events.splits_2m);
    EXPECT_LE(10 * run.restorable_blocks, events.splits_2m);
  }
}

TEST(RunPrediction18, WithTablesElsewhereBlocksThatAreFreeAgainCouldBeRestored) {
  for (const TableSourceKind source : {TableSourceKind::kBootReserve, TableSourceKind::kGrouped}) {
    const RunResult fresh = SecretsComeAndGo(source, /*aged=*/false);
    EXPECT_EQ(fresh.TotalEvents().table_pages_in_split_block, 0);
    EXPECT_EQ(fresh.TotalLivePages(), 0);
    // Nothing else lives on the machine: all of them.
    EXPECT_EQ(fresh.restorable_blocks, fresh.TotalEvents().splits_2m);
    const RunResult aged = SecretsComeAndGo(source, /*aged=*/true);
    EXPECT_GT(aged.restorable_blocks, aged.TotalEvents().splits_2m / 4);
  }
}

// Both halves once more, with somebody who restores whatever the buddy allocator coalesces.
RunResult SecretsComeAndGoWithRestore(TableSourceKind source) {
  RunConfig config = Machine(KernelRelease::k6_12);
  config.machine.table_source = source;
  config.machine.restore_global = config.machine.restore_dirty = true;
  config.cache.options.restore = policy::CacheOptions::Restore::kOnCoalesce;
  // Large areas, freed in the order they were made: per-CPU lists keep some thousand pages for good, of few blocks
  // then.
  Add({"secrets", workload::SecretmemConfig{Constant{25'000}, Constant{1000}, Constant{2'000'000}}}, kStartUs,
      2 * kStartUs, config.mix);
  // Somebody else, so that time passes.
  config.mix.users.push_back({"others", workload::OrdinaryConfig{model::Migratetype::kMovable, model::Order(0),
                                                                 Constant{10'000}, Constant{1}, Constant{10'000}}});
  return MustRun(config);
}

TEST(RunPrediction18, RestoringAtTheBuddyAllocatorHelpsOnlyIfTablesLieElsewhere) {
  const model::EventCounters buddy = SecretsComeAndGoWithRestore(TableSourceKind::kBuddy).TotalEvents();
  EXPECT_GT(buddy.splits_2m, 10);
  EXPECT_LE(10 * buddy.blocks_restored, buddy.splits_2m);
  for (const TableSourceKind source : {TableSourceKind::kBootReserve, TableSourceKind::kGrouped}) {
    const RunResult run = SecretsComeAndGoWithRestore(source);
    const model::EventCounters events = run.TotalEvents();
    EXPECT_GT(events.splits_2m, 10);
    EXPECT_EQ(events.restores_blocked, 0);
    // All of them are free again, but for what per-CPU lists keep.
    EXPECT_EQ(events.blocks_restored + run.restorable_blocks, events.splits_2m);
    EXPECT_GE(10 * events.blocks_restored, 7 * events.splits_2m);
  }
}

// Programs with their processes' pages between them, an instance a millisecond.
RunResult Programs(KernelRelease release, uint64_t instances, bool aged, uint64_t process_pages) {
  RunConfig config = Machine(release);
  // The first program of the boot: where programs share packs, it makes one.
  Add({"boot", workload::BpfConfig{Constant{1000}, Constant{1}, Constant{320}, Constant{kForEver}}}, 0, 1500,
      config.mix);
  if (aged) AddFiles(config.mix);
  Add({"process", workload::OrdinaryConfig{model::Migratetype::kUnmovable, model::Order(0), Constant{1000},
                                           Constant{process_pages}, Constant{kForEver}}},
      kStartUs, kForEver, config.mix);
  Add({"programs", workload::BpfConfig{Constant{1000}, Constant{3}, Constant{320}, Constant{kForEver}}}, kStartUs,
      kForEver, config.mix);
  config.length.duration_us = instances * 1000 + 500;
  return MustRun(config);
}

TEST(RunPrediction19, AnAgedMachineSplitsAtLeastAsMuchAsAFreshOneAtEveryPoint) {
  for (const uint64_t instances : {64, 128, 256, 512}) {
    const int64_t fresh = Programs(KernelRelease::k5_17, instances, false, 180).TotalEvents().splits_2m;
    const int64_t aged = Programs(KernelRelease::k5_17, instances, true, 180).TotalEvents().splits_2m;
    EXPECT_GT(fresh, 0);
    EXPECT_GE(aged, fresh) << instances;
  }
}

TEST(RunPrediction20, PackedProgramsSplitNothingMore) {
  for (const KernelRelease release : {KernelRelease::k6_1, KernelRelease::k6_12, KernelRelease::k7_3}) {
    const RunResult run = Programs(release, 4000, /*aged=*/false, 1);
    EXPECT_EQ(run.TotalEvents().splits_2m, 0);
    EXPECT_EQ(run.TotalProtectedPages(), 512);  // one pack
  }
  EXPECT_GT(Programs(KernelRelease::k5_17, 4000, /*aged=*/false, 1).TotalEvents().splits_2m, 20);
}

// Caches

using Entry = policy::CacheOptions::Entry;

RunResult WithCache(const std::string& type, Entry entry, const workload::MixConfig& mix, uint32_t nodes = 1) {
  RunConfig config = Machine(KernelRelease::k6_12);
  config.machine.numa_nodes = nodes;
  config.length.warmup_us = 0;
  config.cache = {.type = type, .options = {.entry = entry, .per_node = nodes > 1}};
  config.mix = mix;
  return MustRun(config);
}

// Four users of permissions that use a few hundred pages each at a time.
workload::MixConfig FourUsers() {
  workload::MixConfig mix;
  for (const char* name : {"a", "b"}) {
    mix.users.push_back({name, workload::PageTablesConfig{Exponential{20'000}, Uniform{1, 30}, Exponential{400'000}}});
  }
  for (const char* name : {"c", "d"}) {
    mix.users.push_back({name, workload::SecretmemConfig{Exponential{20'000}, Uniform{1, 30}, Exponential{400'000}}});
  }
  return mix;
}

TEST(RunPrediction23, PagesAreUsedBestByAGlobalCacheAndWorstByOneForEachUser) {
  const auto utilisation_per_mille = [](const RunResult& run) {
    EXPECT_GT(run.TotalProtectedPages(), 500);
    return 1000 * run.TotalProtectedPages() / (run.TotalProtectedPages() + run.held_pages);
  };
  const int64_t global = utilisation_per_mille(WithCache("global", Entry::kNotPresent, FourUsers()));
  const int64_t hierarchical = utilisation_per_mille(WithCache("hierarchical", Entry::kNotPresent, FourUsers()));
  const int64_t per_user = utilisation_per_mille(WithCache("per_user", Entry::kNotPresent, FourUsers()));
  EXPECT_GE(global, hierarchical);
  EXPECT_GE(hierarchical, per_user);
  EXPECT_GT(global, per_user);
}

TEST(RunPrediction23, EveryUserOnEveryNodeHoldsABlockOfItsOwn) {
  workload::MixConfig mix;  // an object on each processor, and so on each node
  for (const char* name : {"a", "b", "c"}) {
    mix.users.push_back({name, workload::SecretmemConfig{Constant{1'000'000}, Constant{5}, Constant{kForEver}}});
  }
  const auto blocks = [&](const std::string& type, uint32_t nodes) {
    const RunResult run = WithCache(type, Entry::kRw4K, mix, nodes);
    EXPECT_EQ((run.held_pages + run.TotalProtectedPages()) % 512, 0);
    return (run.held_pages + run.TotalProtectedPages()) / 512;
  };
  EXPECT_EQ(blocks("per_user", 2), 3 * 2);
  EXPECT_EQ(blocks("per_user", 1), 3);
  EXPECT_EQ(blocks("global", 2), 2);
  EXPECT_EQ(blocks("global", 1), 1);
}

TEST(RunPrediction26, UnmappedPagesAreFlushedOncePerRefillAndNotPerPage) {
  workload::MixConfig mix;
  mix.users.push_back({"secrets", workload::SecretmemConfig{Exponential{5000}, Uniform{1, 64}, Exponential{100'000}}});
  const auto flushes = [](const model::EventCounters& events) { return events.flushes_all + events.flushes_range; };
  const model::EventCounters none = WithCache("none", Entry::kMapped, mix).TotalEvents();
  EXPECT_GT(flushes(none), 50'000);
  EXPECT_EQ(none.flushes_all, none.splits_2m + none.splits_1g);
  for (const char* type : {"unmapped_buddy", "hierarchical", "global"}) {
    const model::EventCounters cached = WithCache(type, Entry::kNotPresent, mix).TotalEvents();
    EXPECT_GT(cached.refills, 0);
    EXPECT_EQ(flushes(cached), cached.splits_2m + cached.splits_1g + cached.refills) << type;
  }
}

TEST(RunPrediction26, CategoryTwoConvertsWithoutAFlush) {
  workload::MixConfig mix;
  mix.users.push_back({"tables", workload::PageTablesConfig{Exponential{5000}, Uniform{1, 64}, Constant{kForEver}}});
  for (const char* type : {"unmapped_buddy", "hierarchical", "global"}) {
    const model::EventCounters cached = WithCache(type, Entry::kNotPresent, mix).TotalEvents();
    EXPECT_GT(cached.operations, 10'000);
    EXPECT_EQ(cached.flushes_all + cached.flushes_range, cached.splits_2m + cached.splits_1g + cached.refills) << type;
  }
}

// Pages under XPFO, each got once.
RunResult Xpfo(const std::string& type, uint32_t cpus) {
  RunConfig config = Machine(KernelRelease::k6_12);
  config.machine.cpus = cpus;
  config.length.warmup_us = 0;
  config.cache = {.type = type, .options = {.entry = Entry::kNotPresent2M}};
  config.mix.users.push_back({"programs", workload::XpfoConfig{Constant{5000}, Constant{20}, Constant{kForEver}}});
  config.cost.emplace();
  config.cost->profile = cost::ProfileOf(cost::CpuModel::kIceLakeSp);
  config.cost->targets.cpus = cpus;
  RunResult run = MustRun(config);
  EXPECT_GT(run.TotalProtectedPages(), 30'000);
  return run;
}
// That flushes take from other processors.
int64_t CyclesOfOthers(const RunResult& run) { return run.cost->Total().cycles.others.typical; }

TEST(RunPrediction30, TheCostOfAPageGrowsWithTheProcessorsAndThatOfABlockIsUpTo512TimesLess) {
  const RunResult few = Xpfo("none", 4);
  const RunResult many = Xpfo("none", 96);
  EXPECT_GT(CyclesOfOthers(few), 0);
  EXPECT_NEAR(static_cast<double>(CyclesOfOthers(many)) / static_cast<double>(CyclesOfOthers(few)), 95.0 / 3, 0.5);
  const RunResult blocks = Xpfo("unmapped_buddy", 96);
  const double times_less =
      static_cast<double>(many.TotalEvents().flush_ipis) / static_cast<double>(blocks.TotalEvents().flush_ipis);
  EXPECT_NEAR(times_less, 512, 20);
  // A flush of everything costs more than one of a page.
  EXPECT_GT(CyclesOfOthers(many), 100 * CyclesOfOthers(blocks));
  EXPECT_LT(CyclesOfOthers(many), 512 * CyclesOfOthers(blocks));
}

TEST(RunPrediction31, AFullySplitGibHas2052KibOfTables) {
  model::MachineConfig config = Machine(KernelRelease::k6_12).machine;
  config.memory = *model::MemoryMap::Pc(uint64_t{4} << 30);
  config.table_source = TableSourceKind::kBootReserve;
  const auto machine = *model::Machine::Create(config);
  // One table for each 2M and each 1G that a range of memory touches, in whole blocks of 512.
  uint64_t reserve = 0;
  for (const model::FrameRange& range : config.memory.ranges()) {
    for (const model::FrameCount size : {model::kFramesPer2M, model::kFramesPer1G}) {
      reserve += (range.end.AlignedUp(size) - range.first.AlignedDown(size)).raw() / size.raw();
    }
  }
  EXPECT_EQ(machine->FreeTables().size(), (reserve + 511) / 512 * 512);
  EXPECT_GE(reserve, 4 * 513U);
  const model::FrameNumber gib(model::kFramesPer1G.raw());
  ASSERT_EQ(machine->direct_map().Lookup(gib)->level, model::MapLevel::k1G);
  const uint64_t before = machine->FreeTables().size();
  ASSERT_EQ(machine->SetMemory4K({gib, gib + model::kFramesPer1G}), model::CpaOutcome::kDone);
  EXPECT_EQ((before - machine->FreeTables().size()) * 4, 2052U);
}

TEST(RunPrediction32, WithDebugPageallocNothingIsLargeAndNothingSplits) {
  RunConfig config = Machine(KernelRelease::k6_12);
  config.machine.mapping.debug_pagealloc = true;
  config.cache.type = "debug_pagealloc";
  config.mix = FourUsers();
  const RunResult run = MustRun(config);
  const model::EventCounters events = run.TotalEvents();
  EXPECT_EQ(events.splits_2m + events.splits_1g, 0);
  EXPECT_EQ(run.direct_map.kib_2m(), 0U);
  EXPECT_FALSE(run.has_1g_pages);
  // Every page that changes hands is flushed on its own processor.
  EXPECT_EQ(events.local_flushes, events.operations);
}

}  // namespace
}  // namespace dmfrag::tests
