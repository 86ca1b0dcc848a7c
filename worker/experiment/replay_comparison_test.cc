#include "worker/experiment/replay_comparison.h"

#include <limits>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/model/boot_machine.h"
#include "worker/model/kernel_release.h"

namespace dmfrag::experiment {
namespace {

using model::EntryFlags;
using model::FrameCount;
using model::FrameNumber;
using model::LeafRun;
using model::MapLevel;
using workload::CpaCall;
using workload::KernelCapture;
using workload::KernelCounters;
using workload::MapEvent;
using workload::ReplayMeasured;

constexpr EntryFlags kFlags = EntryFlags::PageKernel();

std::vector<LeafRun> Start() {
  return {{FrameNumber(0), FrameCount(512), MapLevel::k4K, kFlags},
          {FrameNumber(512), FrameCount(15872), MapLevel::k2M, kFlags}};
}

// 64 MiB, all 2M but the first block. Step 4 takes page 1024 away, 5 and 6 do nothing.
KernelCapture Capture() {
  KernelCapture capture{.input = {.capture_id = "test",
                                  .kernel = "6.1",
                                  .memory = *model::MemoryMap::FromUsableRanges({{0, 64 << 20}}),
                                  .mapping = {.gbpages = false},
                                  .start_step = 3,
                                  .start_runs = Start(),
                                  .start_counters = {},
                                  .steps = {},
                                  .limitation = ""},
                        .measured = {}};
  capture.input.start_counters.direct_map_4k_kib = 2048;
  capture.input.start_counters.direct_map_2m_kib = 31 * 2048;
  CpaCall call;
  call.op = CpaCall::Op::kSetDirectMapInvalid;
  call.first = FrameNumber(1024);
  capture.input.steps = {
      {4, "step", workload::RequestSource::kCpaCalls, {call}}, {5, "step", {}, {}}, {6, "step", {}, {}}};
  return capture;
}

KernelCounters AfterOneSplit() {
  KernelCounters counters;
  counters.direct_map_4k_kib = 4096;
  counters.direct_map_2m_kib = 30 * 2048;
  counters.level2_splits = 1;
  return counters;
}

ReplayMeasured::Step Measured(int index, KernelCounters counters) {
  ReplayMeasured::Step step;
  step.index = index;
  step.counters = counters;
  return step;
}

TEST(ReplayComparisonTest, SaysWhatDiffersAndWhatMoved) {
  KernelCapture capture = Capture();
  KernelCounters exact = AfterOneSplit();
  exact.direct_map_1g_kib = 77;  // not predicted: left out
  KernelCounters off = exact;
  off.level2_splits += 2;
  off.direct_map_4k_kib -= 4096;
  capture.measured.steps = {Measured(4, exact), Measured(6, off)};
  const auto comparison = PredictAndCompare(capture);
  ASSERT_OK(comparison);
  const auto& steps = comparison->steps;
  ASSERT_EQ(steps.size(), 3) << "also the step that was not measured";
  EXPECT_EQ(steps[0].difference, 0);
  EXPECT_TRUE(steps[0].changed);
  EXPECT_FALSE(steps[1].measured.has_value());
  EXPECT_EQ(steps[2].difference, 4098);
  EXPECT_EQ(steps[2].max_difference, 4096);
  EXPECT_TRUE(steps[2].changed);
  EXPECT_EQ(comparison->events.splits_2m, 1);
}

TEST(ReplayComparisonTest, AbsurdMeasurementsDoNotOverflow) {
  KernelCapture capture = Capture();
  KernelCounters absurd;
  absurd.direct_map_4k_kib = std::numeric_limits<int64_t>::min();
  absurd.direct_map_2m_kib = std::numeric_limits<int64_t>::max();
  absurd.level2_splits = std::numeric_limits<int64_t>::min();
  capture.measured.steps = {Measured(4, absurd)};
  const auto comparison = PredictAndCompare(capture);
  ASSERT_OK(comparison);
  EXPECT_GT(comparison->steps[0].difference, int64_t{1} << 61);
}

TEST(ReplayComparisonTest, CountersAtBootAreComparedWhereTheMachineIsKnown) {
  KernelCapture capture = Capture();
  auto comparison = PredictAndCompare(capture);
  ASSERT_OK(comparison);
  EXPECT_FALSE(comparison->boot.has_value());
  capture.input.boot = model::BootMachine{.release = model::KernelRelease::k7_3,
                                          .memory = capture.input.memory,
                                          .rules = {},
                                          .image = {},
                                          .initrd = {},
                                          .moved_initrd = {},
                                          .nodes = {}};
  comparison = PredictAndCompare(capture);
  ASSERT_OK(comparison);
  ASSERT_TRUE(comparison->boot.has_value());
  EXPECT_FALSE(comparison->boot->measured.has_value());
  EXPECT_EQ(comparison->boot->difference, 0);
  capture.measured.boot = comparison->boot->prediction.counters;
  capture.measured.boot->direct_map_4k_kib += 2048;
  capture.measured.boot->direct_map_2m_kib -= 2048;
  comparison = PredictAndCompare(capture);
  ASSERT_OK(comparison);
  EXPECT_EQ(comparison->boot->difference, 4096);
}

TEST(ReplayComparisonTest, EventsCountInTheirPlace) {
  const MapEvent split{3, MapLevel::k2M, FrameNumber(1024), false};
  MapEvent elsewhere = split;
  elsewhere.first = FrameNumber(512);
  MapEvent later = split;
  later.request = 4;
  MapEvent collapse = split;
  collapse.collapse = true;
  const auto compare = [&](const std::vector<MapEvent>& predicted, bool as_set) {
    const MapEventComparison result = CompareMapEvents(predicted, {split}, as_set);
    EXPECT_EQ(result.recorded, 1);
    EXPECT_EQ(result.in_place + result.unrecorded, static_cast<int32_t>(predicted.size()));
    return result.in_place;
  };
  EXPECT_EQ(compare({split, elsewhere}, false), 1);
  EXPECT_EQ(compare({elsewhere}, false), 0);
  EXPECT_EQ(compare({collapse}, false), 0);
  EXPECT_EQ(compare({later}, false), 0);
  EXPECT_EQ(compare({later}, true), 1) << "indices of several processors say nothing";
  EXPECT_EQ(compare({}, false), 0);
}

TEST(ReplayComparisonTest, DumpsAreComparedEntryByEntry) {
  KernelCapture capture = Capture();
  const EntryFlags gone =
      kFlags.Without(EntryFlags(EntryFlags::kPresent | EntryFlags::kWritable | EntryFlags::kGlobal));
  std::vector<LeafRun> dump = Start();
  dump.back() = {FrameNumber(512), FrameCount(512), MapLevel::k2M, kFlags};
  dump.push_back({FrameNumber(1024), FrameCount(1), MapLevel::k4K, gone});
  dump.push_back({FrameNumber(1025), FrameCount(511), MapLevel::k4K, kFlags});
  dump.push_back({FrameNumber(1536), FrameCount(14848), MapLevel::k2M, kFlags});
  ReplayMeasured::Step step;
  step.index = 5;
  step.direct_map = dump;
  capture.measured.steps = {step};
  auto comparison = PredictAndCompare(capture);
  ASSERT_OK(comparison);
  ASSERT_TRUE(comparison->steps[1].dump.has_value());
  EXPECT_EQ(comparison->steps[1].dump->entries, 512 + 1 + 1 + 511 + 29);
  EXPECT_EQ(comparison->steps[1].dump->equal_entries, 512 + 1 + 1 + 511 + 29);
  EXPECT_FALSE(comparison->steps[0].dump.has_value());

  capture.measured.steps[0].direct_map->at(2).flags = kFlags;                     // one page of other flags
  capture.measured.steps[0].direct_map->at(4).frames = FrameCount(14848 - 1024);  // two entries the dump does not have
  comparison = PredictAndCompare(capture);
  ASSERT_OK(comparison);
  EXPECT_EQ(comparison->steps[1].dump->entries, 512 + 1 + 1 + 511 + 27);
  EXPECT_EQ(comparison->steps[1].dump->equal_entries, 512 + 1 + 511 + 27);
}

TEST(ReplayComparisonTest, EntriesThatChangeWhileTheDumpIsReadAreLeftOut) {
  const auto map = model::DirectMap::FromRuns(Start());
  ASSERT_OK(map);
  std::vector<LeafRun> dump = Start();
  dump[0].flags = EntryFlags(EntryFlags::kPresent);
  EXPECT_EQ(CompareDump(*map, dump, {}).equal_entries, 31);
  const DumpComparison without = CompareDump(
      *map, dump,
      {{FrameNumber(600), FrameNumber(601)}, {FrameNumber(10), FrameNumber(500)}, {FrameNumber(20), FrameNumber(30)}});
  EXPECT_EQ(without.entries, 512 - 490 + 30) << "the 2M entry of frame 600 too";
  EXPECT_EQ(without.equal_entries, 30);
}

}  // namespace
}  // namespace dmfrag::experiment
