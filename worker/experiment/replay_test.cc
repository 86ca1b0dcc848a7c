#include "worker/experiment/replay.h"

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/model/boot_machine.h"
#include "worker/model/kernel_release.h"

namespace dmfrag::experiment {
namespace {

using model::EntryFlags;
using model::FrameCount;
using model::FrameNumber;
using model::MapLevel;
using workload::CpaCall;
using workload::ReplayInput;

// 64 MiB, all 2M but the first block.
ReplayInput Input() {
  const EntryFlags flags = EntryFlags::PageKernel();
  ReplayInput input{.capture_id = "test",
                    .kernel = "6.1",
                    .memory = *model::MemoryMap::FromUsableRanges({{0, 64 << 20}}),
                    .mapping = {.gbpages = false},
                    .start_step = 3,
                    .start_runs = {{FrameNumber(0), FrameCount(512), MapLevel::k4K, flags},
                                   {FrameNumber(512), FrameCount(15872), MapLevel::k2M, flags}},
                    .start_counters = {},
                    .steps = {},
                    .limitation = ""};
  input.start_counters.direct_map_4k_kib = 2048 + 2048;  // the kernel's own offset
  input.start_counters.direct_map_2m_kib = 30 * 2048;
  input.start_counters.level2_splits = 7;
  return input;
}

CpaCall Invalid(uint64_t first, uint64_t count = 1, int64_t step = 0) {
  CpaCall call;
  call.op = CpaCall::Op::kSetDirectMapInvalid;
  call.first = FrameNumber(first);
  call.count = count;
  call.step = step;
  return call;
}

void AddStep(ReplayInput& input, int index, std::vector<CpaCall> calls) {
  input.steps.push_back({index, "step", workload::RequestSource::kCpaCalls, std::move(calls)});
}

TEST(PredictTest, CountsFromTheMeasuredStart) {
  ReplayInput input = Input();
  AddStep(input, 4, {Invalid(1024), Invalid(1500)});
  AddStep(input, 5, {});
  AddStep(input, 6, {Invalid(5120, 3, -1024)});
  const auto prediction = Predict(input);
  ASSERT_OK(prediction);
  ASSERT_EQ(prediction->steps.size(), 3);
  const Prediction& first = prediction->steps[0];
  EXPECT_EQ(first.requests, 2);
  EXPECT_EQ(first.counters.level2_splits, 8);
  EXPECT_EQ(first.counters.direct_map_4k_kib, 4096 + 2048);
  EXPECT_EQ(first.counters.direct_map_2m_kib, 29 * 2048);
  EXPECT_FALSE(first.counters.direct_map_1g_kib.has_value());
  EXPECT_FALSE(first.counters.level2_collapses.has_value());
  EXPECT_EQ(prediction->steps[1].counters, first.counters);
  EXPECT_EQ(prediction->steps[2].counters.level2_splits, 11);
  EXPECT_EQ(prediction->events.splits_2m, 4);
}

TEST(PredictTest, WithoutADumpTheBootRuleIsTheStart) {
  ReplayInput input = Input();
  input.start_step.reset();
  input.start_runs.clear();
  AddStep(input, 0, {Invalid(1024), Invalid(100)});
  const auto prediction = Predict(input);
  ASSERT_OK(prediction);
  EXPECT_EQ(prediction->steps[0].counters.level2_splits, 8);
}

TEST(PredictTest, WithoutADumpAKnownMachineBootsFirst) {
  ReplayInput input = Input();
  input.start_step.reset();
  input.start_runs.clear();
  AddStep(input, 0, {Invalid(8 * 512)});
  const auto whole = Predict(input);
  ASSERT_OK(whole);
  EXPECT_EQ(whole->steps[0].counters.level2_splits, 8);
  // A machine whose kernel has put its first code into that block.
  input.boot = model::BootMachine{.release = model::KernelRelease::k6_16,
                                  .memory = input.memory,
                                  .rules = input.mapping,
                                  .image = {},
                                  .initrd = {},
                                  .moved_initrd = {},
                                  .nodes = {}};
  input.steps.clear();
  AddStep(input, 0, {Invalid(9 * 512)});
  const auto booted = Predict(input);
  ASSERT_OK(booted);
  EXPECT_EQ(booted->steps[0].counters.level2_splits, 7);
}

TEST(PredictTest, RefusesAStartThatMakesNoSense) {
  ReplayInput input = Input();
  input.start_counters.direct_map_2m_kib = 2047;
  EXPECT_THAT(Predict(input), StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("whole number")));
  input = Input();
  input.start_counters.level2_splits = -1;
  EXPECT_THAT(Predict(input), StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("negative")));
  input = Input();
  input.start_runs[1].first = FrameNumber(513);
  EXPECT_THAT(Predict(input), StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("row")));
}

TEST(PredictTest, SaysWhichEntryAtWhichRequest) {
  ReplayInput input = Input();
  CpaCall rox;
  rox.op = CpaCall::Op::kRox;
  rox.first = FrameNumber(1024);
  rox.pages_each = FrameCount(512);
  rox.clear = EntryFlags(EntryFlags::kWritable);
  CpaCall partial = rox;
  partial.pages_each = FrameCount(3);
  input.release = model::KernelRelease::k7_3;
  AddStep(input, 4, {Invalid(3000), partial, rox});
  AddStep(input, 5, {});
  const auto prediction = Predict(input);
  ASSERT_OK(prediction);
  using workload::MapEvent;
  EXPECT_EQ(prediction->steps[0].map_events, (std::vector<MapEvent>{{0, MapLevel::k2M, FrameNumber(2560), false},
                                                                    {1, MapLevel::k2M, FrameNumber(1024), false},
                                                                    {2, MapLevel::k2M, FrameNumber(1024), true}}));
  EXPECT_TRUE(prediction->steps[1].map_events.empty());
}

}  // namespace
}  // namespace dmfrag::experiment
