// Predictions 18 to 20 of the project's domain notes, by their numbers: what users of permissions do to the page
// allocator's blocks, in whole runs on a machine of 1 GiB. The published table behind 19 is in
// tests/e2e/examples_test.py.
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

}  // namespace
}  // namespace dmfrag::tests
