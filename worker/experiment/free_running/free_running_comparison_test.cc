#include "worker/experiment/free_running/free_running_comparison.h"

#include "gtest/gtest.h"

namespace dmfrag::experiment {
namespace {

using model::FrameCount;
using model::FrameNumber;
using model::MapLevel;
using workload::CpaCall;
using workload::FreeCounts;
using workload::ReplayInput;
using workload::ReplayMeasured;

workload::KernelCounters Splits(int64_t level2, int64_t level3) {
  workload::KernelCounters counters;
  counters.level2_splits = level2;
  counters.level3_splits = level3;
  return counters;
}

// Starts at step 3 with 10 splits of 2M pages; steps 4 and 5 follow. In step 4 two pages of the block at 512 are
// hidden.
ReplayInput Input() {
  ReplayInput input{.capture_id = "test",
                    .kernel = "6.12",
                    .memory = *model::MemoryMap::Pc(uint64_t{1} << 30),
                    .mapping = {},
                    .start_step = 3,
                    .start_runs = {},
                    .start_counters = Splits(10, 1),
                    .steps = {},
                    .limitation = {}};
  CpaCall call;
  call.op = CpaCall::Op::kSetDirectMapInvalid;
  call.first = FrameNumber(520);
  call.count = 2;
  call.step = 1;
  for (int32_t index : {4, 5}) {
    workload::ReplayStep& step = input.steps.emplace_back();
    step.index = index;
    step.action = index == 4 ? "secret s 2" : "dump";
    if (index == 4) step.calls = {call};
  }
  return input;
}

ReplayMeasured Measured() {
  ReplayMeasured measured;
  ReplayMeasured::Step& step = measured.steps.emplace_back();
  step.index = 4;
  step.counters = Splits(12, 1);
  step.events = {{0, MapLevel::k2M, FrameNumber(512), false}, {0, MapLevel::k1G, FrameNumber(0), false}};
  step.split_tables = {{MapLevel::k2M, FrameNumber(512), FrameNumber(521)},
                       {MapLevel::k1G, FrameNumber(0), FrameNumber(5)}};
  return measured;
}

std::vector<FreeCounts> Counts() {
  FreeCounts counts;
  counts.step = 5;
  counts.mem_free = FrameCount(1000);
  for (uint32_t node : {0u, 1u}) {
    workload::ZoneTypeCounts zone{.node = node, .zone = "DMA32"};
    zone.free[1][10] = 7;
    counts.types.push_back(zone);
  }
  return {counts};
}

FreeRunningResult Result() {
  FreeRunningResult result;
  FreeRunningStep step;
  step.index = 4;
  step.action = "secret s 2";
  step.source = StepSource::kExpanded;
  step.level2_splits = 1;
  step.split_blocks = {1, 2};
  step.tables = {1, 1};
  result.steps.push_back(step);
  step.index = 5;
  step.mem_free = FrameCount(1004);
  step.free_blocks = FreeBlockCounts{};
  result.steps.push_back(step);
  return result;
}

TEST(FreeRunningComparisonTest, EachStepHasBothSides) {
  const auto steps = CompareSteps(Input(), Measured(), Counts(), 3, Result());
  ASSERT_EQ(steps.size(), 2);
  EXPECT_EQ(steps[0].index, 4);
  EXPECT_EQ(steps[0].action, "secret s 2");
  EXPECT_EQ(steps[0].source, StepSource::kExpanded);
  EXPECT_EQ(steps[0].kernel.level2_splits, 2) << "since the start";
  EXPECT_EQ(steps[0].kernel.level3_splits, 0);
  EXPECT_FALSE(steps[0].kernel.mem_free.has_value()) << "not recorded";
  EXPECT_FALSE(steps[0].kernel.free_blocks.has_value());
  EXPECT_EQ(steps[0].kernel.split_blocks, (SplitBlockCounts{1, 2}));
  EXPECT_EQ(steps[0].kernel.tables, (OwnTableCounts{1, 1})) << "tables of 1G splits do not count";
  EXPECT_EQ(steps[0].model.level2_splits, 1);
  EXPECT_EQ(steps[0].model.split_blocks, (SplitBlockCounts{1, 2}));
  EXPECT_EQ(steps[0].model.tables, (OwnTableCounts{1, 1}));
  EXPECT_FALSE(steps[0].model.free_blocks.has_value());
}

TEST(FreeRunningComparisonTest, NodesAreAddedUp) {
  const auto steps = CompareSteps(Input(), Measured(), Counts(), 3, Result());
  EXPECT_FALSE(steps[1].kernel.level2_splits.has_value());
  EXPECT_EQ(steps[1].kernel.mem_free, FrameCount(1000));
  ASSERT_TRUE(steps[1].kernel.free_blocks.has_value());
  EXPECT_EQ((*steps[1].kernel.free_blocks)[1][10], 14);
  EXPECT_EQ(steps[1].model.mem_free, FrameCount(1004));
  EXPECT_TRUE(steps[1].model.free_blocks.has_value());
}

TEST(FreeRunningComparisonTest, CountThatWasCutIsNoCount) {
  std::vector<FreeCounts> counts = Counts();
  counts[0].types[1].capped = true;
  EXPECT_FALSE(CompareSteps(Input(), Measured(), counts, 3, Result())[1].kernel.free_blocks.has_value());
  counts[0].types.clear();
  EXPECT_FALSE(CompareSteps(Input(), Measured(), counts, 3, Result())[1].kernel.free_blocks.has_value());
}

TEST(FreeRunningComparisonTest, SplitsThatWereNotRecordedAreUnknownFromThenOn) {
  ReplayMeasured measured = Measured();
  measured.steps[0].events.reset();
  const auto steps = CompareSteps(Input(), measured, Counts(), 3, Result());
  for (const StepComparison& step : steps) {
    EXPECT_FALSE(step.kernel.split_blocks.has_value());
    EXPECT_FALSE(step.kernel.tables.has_value());
  }
}

TEST(FreeRunningComparisonTest, CountersAtALaterStartAreTheOnesToCountFrom) {
  ReplayMeasured measured = Measured();
  measured.steps.insert(measured.steps.begin(), ReplayMeasured::Step());
  measured.steps[0].index = 3;
  measured.steps[0].counters = Splits(11, 1);
  EXPECT_EQ(CompareSteps(Input(), measured, Counts(), 3, Result())[0].kernel.level2_splits, 1);
}

}  // namespace
}  // namespace dmfrag::experiment
