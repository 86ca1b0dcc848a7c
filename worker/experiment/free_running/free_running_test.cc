#include "worker/experiment/free_running/free_running.h"

#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/model/boot_machine.h"
#include "worker/model/memory_map.h"

namespace dmfrag::experiment {
namespace {

using model::FrameCount;
using model::FrameNumber;
using ::testing::HasSubstr;
using workload::CpaCall;
using workload::FreeCounts;
using workload::ReplayInput;

FreeCounts Counts() {
  workload::ZoneTypeCounts dma32{.node = 0, .zone = "DMA32"};
  dma32.free[1][10] = 150;
  dma32.pageblocks = {100, 398, 6};
  FreeCounts counts;
  counts.step = 3;
  counts.mem_total = FrameCount(245000);
  counts.types = {dma32};
  return counts;
}

ReplayInput Input(const std::vector<std::string>& actions) {
  ReplayInput input{.capture_id = "test",
                    .kernel = "6.1.0",
                    .release = model::KernelRelease::k6_1,
                    .memory = *model::MemoryMap::Pc(uint64_t{1} << 30),
                    .mapping = {},
                    .start_step = std::nullopt,
                    .start_runs = {},
                    .start_counters = {},
                    .steps = {},
                    .limitation = {}};
  for (const std::string& action : actions) {
    workload::ReplayStep& step = input.steps.emplace_back();
    step.index = static_cast<int32_t>(3 + input.steps.size());
    step.action = action;
  }
  return input;
}

FreeRunningResult Freely(const ReplayInput& input, uint64_t seed = 1) {
  auto result = RunFreely(input, Counts(), seed);
  EXPECT_OK(result);
  return *std::move(result);
}

// A module of `pages` frames from `first` on, unloaded afterwards.
ReplayInput Module(uint64_t first, uint64_t pages) {
  ReplayInput input = Input({"insmod big", "rmmod big"});
  CpaCall call;
  call.first = FrameNumber(first);
  call.count = pages;
  call.step = 1;
  call.clear = model::EntryFlags(model::EntryFlags::kWritable);
  input.steps[0].calls = {call};
  for (const CpaCall::Op op : {CpaCall::Op::kSetDirectMapInvalid, CpaCall::Op::kSetDirectMapDefault}) {
    call.op = op;
    call.clear = {};
    input.steps[1].calls.push_back(call);
  }
  for (workload::ReplayStep& step : input.steps) step.source = workload::RequestSource::kCpaCalls;
  return input;
}

// 512 less the table of the split and of the process for each 2M page (what kernels show, too).
TEST(FreeRunningTest, FreshSecretMemorySplitsOnce510Pages) {
  const FreeRunningResult result = Freely(Input({"secret s 20400", "free s", "dump"}));
  ASSERT_EQ(result.steps.size(), 3);
  EXPECT_NEAR(static_cast<double>(result.steps[0].level2_splits), 40, 1);
  EXPECT_EQ(result.steps[0].source, StepSource::kExpanded);
  EXPECT_FALSE(result.steps[0].free_blocks.has_value());
  // Nothing is put together again, and the memory is free.
  EXPECT_EQ(result.steps[1].level2_splits, result.steps[0].level2_splits);
  EXPECT_GT(result.steps[1].mem_free, result.steps[0].mem_free);
  EXPECT_EQ(result.steps[2].source, StepSource::kNothing);
  ASSERT_TRUE(result.steps[2].free_blocks.has_value());
  EXPECT_GT((*result.steps[2].free_blocks)[1][10], 100);
}

TEST(FreeRunningTest, FreedSecretMemoryIsUsedAgain) {
  const FreeRunningResult result = Freely(Input({"secret s 5000", "free s", "secret t 5000"}));
  EXPECT_LE(result.steps[2].level2_splits - result.steps[0].level2_splits, 1);
}

// Not its free pages alone: 40 % of scattered single pages are made whole blocks.
TEST(FreeRunningTest, CompactionKeepsSplitsFewInFragmentedMemory) {
  const FreeRunningResult result = Freely(Input({"anon a 180000", "apunch a 40", "secret s 18000"}));
  EXPECT_GT(result.moved_frames, 1000);
  EXPECT_LT(result.steps[2].level2_splits, 50);
}

// And pages freed before are not moved.
TEST(FreeRunningTest, MovedPagesAreFreedWhereTheyAre) {
  const std::string compact = "write /proc/sys/vm/compact_memory 1";
  const FreeRunningResult moved = Freely(Input({"anon a 100000", "apunch a 50", compact, "free a", compact}));
  const FreeRunningResult stayed = Freely(Input({"anon a 100000", "apunch a 50", "free a", compact}));
  EXPECT_GT(moved.moved_frames, 10000);
  EXPECT_LE(moved.moved_frames, 50500) << "nothing is left to move at the second time";
  EXPECT_EQ(stayed.moved_frames, 0) << "all of it is free by then";
  EXPECT_EQ(moved.steps[4].mem_free, stayed.steps[3].mem_free);
}

TEST(FreeRunningTest, RecordedFramesSayHowManyPagesAndNotWhich) {
  const FreeRunningResult low = Freely(Module(30000, 900));
  const FreeRunningResult high = Freely(Module(200000, 900));
  EXPECT_EQ(low.steps[0].source, StepSource::kRecorded);
  EXPECT_GE(low.steps[0].level2_splits, 2);
  EXPECT_EQ(low.steps[0].level2_splits, high.steps[0].level2_splits);
  EXPECT_EQ(low.steps[1].mem_free, high.steps[1].mem_free);
}

// 512 MiB each, and a processor for each.
ReplayInput OnTwoNodes(const std::vector<std::string>& actions) {
  ReplayInput input = Input(actions);
  const FrameNumber middle(uint64_t{1} << 17);
  input.cpus = 2;
  input.boot = model::BootMachine{.memory = input.memory,
                                  .rules = {},
                                  .image = std::nullopt,
                                  .initrd = std::nullopt,
                                  .moved_initrd = std::nullopt,
                                  .nodes = {{{FrameNumber(256), middle}}, {{middle, input.memory.end()}}}};
  return input;
}

TEST(FreeRunningTest, RequestsGoToTheNodeOfTheProcessorOrOfThePolicy) {
  FreeCounts counts = Counts();
  counts.types[0].free[1][10] = 70;
  counts.types[0].pageblocks = {50, 198, 6};
  counts.types.push_back(counts.types[0]);
  counts.types[1].node = 1;
  const auto splits = [&](const std::vector<std::string>& actions) {
    auto result = RunFreely(OnTwoNodes(actions), counts, 1);
    EXPECT_OK(result);
    for (const FreeRunningStep& step : result->steps) EXPECT_EQ(step.source, StepSource::kExpanded) << step.action;
    return result->steps.back().level2_splits - result->steps[result->steps.size() - 2].level2_splits;
  };
  // Freed pages wait on the per-CPU list of their node, and are used again there alone.
  EXPECT_LE(splits({"secret s 5000", "free s", "secret t 5000"}), 1);
  EXPECT_GT(splits({"pin 0", "secret s 5000", "free s", "pin 1", "secret t 5000"}), 6);
  EXPECT_GT(splits({"secret s 5000", "free s", "mpol bind 1", "secret t 5000"}), 6);
  EXPECT_LE(splits({"mpol bind 1", "secret s 5000", "free s", "mpol pref 1", "secret t 5000"}), 1);
  const int64_t half = splits({"secret s 5000", "free s", "mpol inter", "secret t 5000"});
  EXPECT_GT(half, 2);
  EXPECT_LT(half, 7);
}

TEST(FreeRunningTest, PoliciesOfNodesThatAreNotThereAreLeftOut) {
  const FreeRunningResult result = Freely(Input({"mpol bind 1", "mpol bind x", "mpol odd", "mpol default"}));
  EXPECT_EQ(result.steps[0].source, StepSource::kNothing);
  EXPECT_EQ(result.steps[1].source, StepSource::kNothing);
  EXPECT_EQ(result.steps[2].source, StepSource::kNothing);
  EXPECT_EQ(result.steps[3].source, StepSource::kExpanded);
}

TEST(FreeRunningTest, MinFreeKbytesSaysWhenMemoryIsUsedUp) {
  const auto left = [](const std::string& kib) {
    return Freely(Input({"write /proc/sys/vm/min_free_kbytes " + kib, "anonfill a 0"})).steps[1].mem_free.in_kib();
  };
  EXPECT_LT(left("2000"), 4000);
  EXPECT_GT(left("40000"), 38000);
  EXPECT_EQ(Freely(Input({"write /proc/sys/vm/min_free_kbytes much"})).steps[0].source, StepSource::kNothing);
}

// A run of 16 frames named one after another is one aligned block from 7.3 on, so it splits one 2M page at most.
TEST(FreeRunningTest, AreasOfNewKernelsAreAlignedRuns) {
  uint64_t splits[2] = {0, 0};
  for (int kernel = 0; kernel < 2; ++kernel) {
    ReplayInput input = Module(30720, 256);
    input.release = kernel == 0 ? model::KernelRelease::k6_1 : model::KernelRelease::k7_3;
    const FreeRunningResult result = Freely(input);
    splits[kernel] = static_cast<uint64_t>(result.steps[0].level2_splits);
    EXPECT_EQ(result.steps[0].split_blocks.changed_pages, 256);
  }
  EXPECT_GE(splits[0], 1);
  EXPECT_EQ(splits[1], 1);
}

// A module's pages are all given out before the first is set read-only, so tables of splits mostly lie elsewhere.
TEST(FreeRunningTest, TablesOfModulesComeAfterAllTheirPages) {
  uint64_t own = 0;
  uint64_t tables = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const FreeRunningResult result = Freely(Module(30720, 2000), seed);
    own += result.steps[0].tables.own;
    tables += result.steps[0].tables.tables;
  }
  EXPECT_GE(tables, 40);
  EXPECT_LT(own, tables / 2);
}

// What is read-only at the start is in use: it keeps its frames, and is no block to be split again.
TEST(FreeRunningTest, PagesInUseAtTheStartKeepTheirFrames) {
  ReplayInput input = Module(30720, 256);
  input.start_step = 3;
  const model::EntryFlags writable = model::EntryFlags::PageKernel();
  const model::EntryFlags read_only(
      static_cast<uint16_t>(writable.raw() & ~(model::EntryFlags::kWritable | model::EntryFlags::kDirty)));
  input.start_runs = {{FrameNumber(0), FrameCount(30720), model::MapLevel::k2M, writable},
                      {FrameNumber(30720), FrameCount(512), model::MapLevel::k4K, read_only},
                      {FrameNumber(31232), FrameCount(262144 - 31232), model::MapLevel::k2M, writable}};
  EXPECT_EQ(Freely(input).steps[0].level2_splits, 0) << "that block is in 4K pages";
  EXPECT_GE(Freely(Module(30720, 256)).steps[0].level2_splits, 1);
}

TEST(FreeRunningTest, IsAFunctionOfTheSeed) {
  const ReplayInput input = Input({"files f 2000 1 9", "secret s 3000"});
  EXPECT_EQ(Freely(input, 1).steps[1].mem_free, Freely(input, 1).steps[1].mem_free);
  EXPECT_NE(Freely(input, 1).steps[0].mem_free, Freely(input, 2).steps[0].mem_free);
}

TEST(FreeRunningTest, StepsUpToTheStartAreLeftOut) {
  ReplayInput input = Input({"secret s 100", "secret t 100"});
  input.steps[0].index = 3;
  const FreeRunningResult result = Freely(input);
  ASSERT_EQ(result.steps.size(), 1);
  EXPECT_EQ(result.steps[0].action, "secret t 100");
}

TEST(FreeRunningTest, NeedsCountsOfItsStart) {
  EXPECT_THAT(RunFreely(Input({"dump"}), FreeCounts(), 1),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("pagetypeinfo")));
}

TEST(StartCountsOfTest, TakesTheStartsOrTheFirst) {
  std::vector<FreeCounts> counts(3, Counts());
  counts[0].types.clear();
  counts[1].step = 5;
  counts[2].step = 7;
  ReplayInput input = Input({"dump"});
  EXPECT_EQ(StartCountsOf(input, counts)->step, 5);
  input.start_step = 7;
  EXPECT_EQ(StartCountsOf(input, counts)->step, 7);
  input.start_step = 6;
  EXPECT_EQ(StartCountsOf(input, counts), nullptr);
}

TEST(SpreadTest, IsMeanAndRangeOverResults) {
  std::vector<FreeRunningResult> results(2);
  for (FreeRunningResult& result : results) result.steps.emplace_back();
  results[0].steps[0].level2_splits = 3;
  results[0].steps[0].level3_splits = 1;
  results[1].steps[0].level2_splits = 8;
  EXPECT_EQ(Level2Splits(results).mean, 5.5);
  EXPECT_EQ(Level2Splits(results).least, 3);
  EXPECT_EQ(Level2Splits(results).most, 8);
  EXPECT_EQ(Level3Splits(results).mean, 0.5);
  EXPECT_EQ(Level2Splits({}).mean, 0);
}

}  // namespace
}  // namespace dmfrag::experiment
