#include <algorithm>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/experiment/aged_state.h"
#include "worker/experiment/run.h"
#include "worker/policy/registry.h"

namespace dmfrag::experiment {
namespace {

using ::testing::HasSubstr;
using workload::Constant;
using workload::Exponential;
using workload::Uniform;

constexpr uint64_t kMib = 1 << 20;
constexpr uint64_t kSecondUs = 1000000;

workload::UserConfig Ordinary(const std::string& name, model::Migratetype type, uint64_t interval_us,
                              uint64_t lifetime_us, unsigned order = 0) {
  return {name, workload::OrdinaryConfig{type, model::Order(order), Exponential{interval_us}, Uniform{1, 64},
                                         Exponential{lifetime_us}}};
}

// Ageing that fills the machine: page cache over movable, unmovable and reclaimable pages, and blocks of order 2.
AgeingConfig Ageing() {
  return {.mix = {{Ordinary("anon", model::Migratetype::kMovable, 40000, 40 * kSecondUs),
                   Ordinary("slab", model::Migratetype::kUnmovable, 50000, 20 * kSecondUs),
                   Ordinary("inodes", model::Migratetype::kReclaimable, 50000, 20 * kSecondUs),
                   Ordinary("stacks", model::Migratetype::kUnmovable, 300000, 20 * kSecondUs, 2),
                   {"files", workload::PageCacheConfig{Exponential{20000}, Uniform{1, 64}, 20}}}},
          .duration_us = 100 * kSecondUs};
}

RunConfig Config(const std::string& cache = "none") {
  return {
      .machine = {.memory = *model::MemoryMap::Pc(512 * kMib), .mapping = {}, .cpus = 4},
      .ageing = Ageing(),
      .cache = policy::DefaultConfig(cache),
      .mix = {{{"secretmem", workload::SecretmemConfig{Exponential{20000}, Uniform{1, 64}, Exponential{2 * kSecondUs}}},
               Ordinary("load", model::Migratetype::kMovable, 20000, 4 * kSecondUs)}},
      .length = {.duration_us = 20 * kSecondUs, .sample_interval_us = kSecondUs},
      .seed = 1};
}

AgedState MustAge(const RunConfig& config) {
  auto state = Age(config);
  EXPECT_OK(state);
  return *std::move(state);
}

RunResult MustRun(const RunConfig& config, const AgedState& state) {
  auto result = experiment::Run(config, state);
  EXPECT_OK(result);
  return *std::move(result);
}

const UserResult& User(const RunResult& result, const std::string& name) {
  return *std::find_if(result.users.begin(), result.users.end(),
                       [&](const UserResult& user) { return user.name == name; });
}

int64_t PagesOf(const AgedState& state, uint32_t user, unsigned order = 0) {
  int64_t pages = 0;
  for (const HeldObject& object : state.survivors) {
    if (object.user == user) pages += static_cast<int64_t>(object.blocks.size() << order);
  }
  return pages;
}

TEST(AgeingTest, TheStateIsTheSameForEveryCache) {
  const AgedState state = MustAge(Config());
  for (const std::string& type : policy::CacheTypeNames()) {
    RunConfig config = Config(type);
    EXPECT_EQ(MustAge(config), state) << type;
    // A run that does nothing starts where the others do.
    config.length = {.duration_us = 0};
    const RunResult result = MustRun(config, state);
    EXPECT_EQ(result.unusable_free_2m_start_per_mille, MustRun(Config(), state).unusable_free_2m_start_per_mille);
    EXPECT_EQ(result.TotalLivePages(),
              PagesOf(state, 0) + PagesOf(state, 1) + PagesOf(state, 2) + PagesOf(state, 3, 2) + PagesOf(state, 4))
        << type;
  }
}

TEST(AgeingTest, TheStateDependsOnMachineAgeingAndSeedAlone) {
  const AgedState state = MustAge(Config());
  RunConfig config = Config();
  config.mix.users.pop_back();
  config.length = {.duration_us = 5, .warmup_us = 7, .sample_interval_us = 0, .max_operations = 3};
  config.machine.cpa_release = model::KernelRelease::k6_16;
  config.machine.table_source = model::TableSourceKind::kGrouped;
  EXPECT_EQ(MustAge(config), state);
  for (const auto change :
       {+[](RunConfig& c) { c.seed = 2; }, +[](RunConfig& c) { c.ageing->duration_us += kSecondUs; },
        +[](RunConfig& c) { c.ageing->mix.users.pop_back(); },
        +[](RunConfig& c) { c.machine.memory = *model::MemoryMap::Pc(768 * kMib); },
        +[](RunConfig& c) { c.machine.allocator_release = model::KernelRelease::k6_1; },
        +[](RunConfig& c) { c.machine.table_source = model::TableSourceKind::kBootReserve; }}) {
    config = Config();
    change(config);
    EXPECT_FALSE(MustAge(config) == state);
  }
}

TEST(AgeingTest, AStartedMachineIsTheOneThatWasAged) {
  for (const model::TableSourceKind tables : {model::TableSourceKind::kBuddy, model::TableSourceKind::kBootReserve}) {
    for (const uint32_t nodes : {1, 2}) {
      RunConfig config = Config();
      config.machine.table_source = tables;
      config.machine.numa_nodes = nodes;
      const AgedState state = MustAge(config);
      const auto machine = StartAged(config, state);
      ASSERT_OK(machine);
      EXPECT_OK((*machine)->CheckInvariants());
      model::AllocatorSnapshot again = (*machine)->allocator().Snapshot();
      again.knows_frames_in_use = (*machine)->allocator().KnowsFramesInUse();
      EXPECT_EQ(again, state.allocator);
      EXPECT_TRUE(again.knows_frames_in_use);
      EXPECT_EQ((*machine)->FreeTables(), state.free_tables);
      EXPECT_EQ(state.free_tables.empty(), tables == model::TableSourceKind::kBuddy);
    }
  }
}

TEST(AgeingTest, SurvivorsLiveOutTheirTime) {
  RunConfig config = Config();
  config.mix.users = {config.mix.users.front()};
  const AgedState state = MustAge(config);
  config.length.duration_us = 1000 * kSecondUs;
  config.length.warmup_us = kSecondUs;
  int64_t ending = 0;
  for (const HeldObject& object : state.survivors) {
    if (object.user == 1 && object.end >= workload::SimTime(kSecondUs)) {
      ending += static_cast<int64_t>(object.blocks.size());
    }
  }
  const RunResult result = MustRun(config, state);
  // Nobody of them is left after 50 mean lives, every page of theirs was freed, and they made nothing new.
  const UserResult& slab = User(result, "aged:slab");
  EXPECT_GT(ending, 1000);
  EXPECT_EQ(slab.events.operations, ending);
  EXPECT_EQ(slab.live_pages, 0);
  EXPECT_EQ(User(result, "aged:stacks").live_pages, 0);
  // The page cache stays as long as memory does.
  EXPECT_EQ(User(result, "aged:files").events.operations, 0);
  EXPECT_GT(User(result, "aged:files").live_pages, 10000);
}

TEST(AgeingTest, SurvivingPageCacheIsReclaimed) {
  RunConfig config = Config();
  config.mix.users = {Ordinary("load", model::Migratetype::kMovable, 2000, 100 * kSecondUs)};
  const AgedState state = MustAge(config);
  const RunResult result = MustRun(config, state);
  EXPECT_GT(result.TotalEvents().pages_reclaimed, 10000);
  EXPECT_LT(User(result, "aged:files").live_pages, PagesOf(state, 4) - 10000);
  // Files that were read again go last.
  EXPECT_TRUE(std::any_of(state.survivors.begin(), state.survivors.end(),
                          [](const HeldObject& object) { return object.list == CacheList::kActive; }));
}

TEST(AgeingTest, TheMixDrawsTheSameWithAndWithoutAgeing) {
  const RunConfig aged = Config();
  RunConfig fresh = Config();
  fresh.ageing.reset();
  const RunResult after = *experiment::Run(aged);
  const RunResult before = *experiment::Run(fresh);
  for (const char* user : {"secretmem", "load"}) {
    EXPECT_EQ(User(after, user).events.operations, User(before, user).events.operations);
    EXPECT_EQ(User(after, user).live_pages, User(before, user).live_pages);
  }
  EXPECT_GT(after.unusable_free_2m_start_per_mille, 300);
  EXPECT_LT(before.unusable_free_2m_start_per_mille, 10);
  EXPECT_EQ(after.series.front().unusable_free_2m_per_mille, after.unusable_free_2m_start_per_mille);
  EXPECT_EQ(after.series.back().unusable_free_2m_per_mille, after.unusable_free_2m_per_mille);
}

TEST(AgeingTest, AStateOfAnotherMachineIsRefused) {
  const AgedState state = MustAge(Config());
  const auto run = [](const AgedState& with) { return experiment::Run(Config(), with).status(); };
  AgedState wrong = state;
  wrong.survivors.front().user = 17;
  EXPECT_THAT(run(wrong), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("user 17 of 5")));
  wrong = state;
  wrong.survivors.front().blocks.front() = wrong.survivors.back().blocks.front();
  EXPECT_THAT(run(wrong), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("in use twice")));
  wrong = state;
  wrong.survivors.front().blocks.front() = model::FrameNumber(uint64_t{1} << 40);
  EXPECT_THAT(run(wrong), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no memory")));
  RunConfig other = Config();
  other.machine.cpus = 8;
  EXPECT_THAT(experiment::Run(other, state).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("8 processors")));
}

}  // namespace
}  // namespace dmfrag::experiment
