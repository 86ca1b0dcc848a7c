#include "worker/experiment/allocator_replay.h"

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/workload/free_lists.h"

namespace dmfrag::experiment {
namespace {

using model::AllocatorRules;
using model::FrameNumber;
using ::testing::HasSubstr;
using workload::AllocatorDump;

// A zone of 8 MiB: frames 5120 to 6143 are free, four unmovable pages wait on the per-CPU list, the rest is in use.
std::vector<std::string> Lines(const std::string& waiting) {
  return {"Z DMA32 4096 2048 2048 1024 10 12 14",
          "F DMA32 10 1 5120",
          absl::StrCat("P DMA32 0 0 ", waiting),
          "C DMA32 0 4 100 15",
          "B DMA32 4096 2 0",
          "B DMA32 5120 2 1"};
}

AllocatorDump Dump(const std::string& waiting) { return {0, *workload::ParseFreeLists(Lines(waiting))}; }

std::string Event(std::string_view event, double seconds = 1) {
  char time[32];
  std::snprintf(time, sizeof(time), "%.6f", seconds);
  return absl::StrCat("  task-1  [000] .....  ", time, ": ", std::string(event), "\n");
}
std::string Alloc(uint64_t frame, int order = 0, int type = 0) {
  return Event(absl::StrCat("mm_page_alloc: page=1 pfn=", frame, " order=", order, " migratetype=", type));
}
std::string Free(uint64_t frame, int order = 0) {
  return Event(absl::StrCat("mm_page_free: page=1 pfn=", frame, " order=", order));
}
std::string Mark(std::string_view mark) {
  return Event(absl::StrCat("tracing_mark_write: dmprobe: ", std::string(mark)));
}
std::string Bulk(int pages) { return Event(absl::StrCat("bulk_ret: (a <- b) n=", pages)); }

const std::string& Start() {
  static const auto& start =
      *new std::string(Mark("step 1 begin dumpfree") + Mark("freelist snapshot 0") + Mark("step 1 end"));
  return start;
}

AllocatorReplayResult Replay(const std::vector<AllocatorDump>& dumps, const std::string& trace,
                             ReplayMode mode = ReplayMode::kFollowKernel) {
  AllocatorReplayOptions options;
  options.mode = mode;
  const auto result = ReplayAllocator(dumps, trace, AllocatorRules::Of(model::KernelRelease::k6_12), options);
  EXPECT_OK(result);
  return *result;
}

TEST(AllocatorReplayTest, CountsFramesStepByStep) {
  const auto result =
      Replay({Dump("4100 4101 4102 4103")}, Alloc(1) + Start() + Mark("step 2 begin x") + Alloc(4100) + Alloc(4101) +
                                                Free(4100) + Mark("step 3 begin y") + Alloc(4100));
  ASSERT_EQ(result.steps.size(), 3);
  EXPECT_EQ(result.steps[1].index, 2);
  EXPECT_EQ(result.steps[1].action, "x");
  EXPECT_EQ(result.steps[1].allocations, 2);
  EXPECT_EQ(result.steps[1].equal, 2);
  EXPECT_EQ(result.steps[1].frees, 1);
  EXPECT_EQ(result.steps[2].equal, 1);
  EXPECT_EQ(result.allocations(), 3);  // what was before the dump is not counted
  EXPECT_EQ(result.equal(), 3);
  EXPECT_EQ(result.unexpected_frees, 0);
}

TEST(AllocatorReplayTest, FollowsTheKernelsFrameAfterADifference) {
  const auto result =
      Replay({Dump("4100 4101 4102 4103")}, Start() + Alloc(4102) + Alloc(4100) + Alloc(4101) + Alloc(5300, 0, 1));
  EXPECT_EQ(result.equal(), 2);
  const auto& first = result.steps[0].first;
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->line, 4);
  EXPECT_EQ(first->cause, DivergenceCause::kOtherPerCpu);
  EXPECT_EQ(first->kernel, FrameNumber(4102));
  EXPECT_EQ(first->model, FrameNumber(4100));
}

TEST(AllocatorReplayTest, NamesWhereTheKernelsFrameIs) {
  const auto cause = [](const std::string& trace) {
    return Replay({Dump("4100 4101 4102 4103")}, Start() + trace).steps[0].first->cause;
  };
  EXPECT_EQ(cause(Alloc(5300)), DivergenceCause::kOtherFree);
  EXPECT_EQ(cause(Alloc(4200)), DivergenceCause::kInUse);
  EXPECT_EQ(cause(Alloc(5120, 10, 1)), DivergenceCause::kNoMemory);
  EXPECT_EQ(cause(Event("compact_take: (a) page=0x50000 vmb=0x0") + Alloc(4102)), DivergenceCause::kCompaction);
}

TEST(AllocatorReplayTest, FreeRunningMapsFreesToTheModelsFrame) {
  // The kernel took 4102 where the model takes 4100: freeing the one frees the other.
  const auto result =
      Replay({Dump("4100 4101 4102 4103"), Dump("4100 4101 4102 4103")},
             Start() + Alloc(4102) + Free(4102) + Mark("freelist snapshot 1"), ReplayMode::kFreeRunning);
  EXPECT_EQ(result.equal(), 0);
  EXPECT_EQ(result.unexpected_frees, 0);
  ASSERT_EQ(result.dumps.size(), 1);
  EXPECT_EQ(result.dumps[0].lists.per_cpu_lists_equal, 1) << result.dumps[0].lists.first_difference;
}

TEST(AllocatorReplayTest, FreeRunningKeepsOwnersApart) {
  // 4100 is the model's frame for the kernel's 4102. The kernel's own 4100, never recorded, is somebody else's.
  const auto result =
      Replay({Dump("4100 4101 4102 4103"), Dump("4101 4102 4103")},
             Start() + Alloc(4102) + Free(4100) + Mark("freelist snapshot 1"), ReplayMode::kFreeRunning);
  EXPECT_EQ(result.unexpected_frees, 1);
  EXPECT_EQ(result.dumps[0].lists.per_cpu_lists_equal, 1) << result.dumps[0].lists.first_difference;
}

TEST(AllocatorReplayTest, BulkAllocationsTakeFramesUnseen) {
  const auto result = Replay({Dump("4100 4101 4102 4103")}, Start() + Bulk(1) + Bulk(2) + Alloc(4102) + Free(4100));
  EXPECT_EQ(result.equal(), 1);
  EXPECT_EQ(result.steps[0].bulk_frames, 2);
  EXPECT_EQ(result.unexpected_frees, 0);
}

TEST(AllocatorReplayTest, AFreeOfAFrameThatIsFreeMeansABulkFrame) {
  const auto result = Replay({Dump("4100 4101 4102 4103"), Dump("4100 4102 4103")},
                             Start() + Bulk(2) + Free(4103) + Mark("freelist snapshot 1"));
  EXPECT_EQ(result.unexpected_frees, 1);
  EXPECT_EQ(result.dumps[0].lists.per_cpu_lists_equal, 1) << result.dumps[0].lists.first_difference;
}

TEST(AllocatorReplayTest, PartsOfABlockAreFreedOneByOne) {
  const auto result = Replay({Dump("4100"), Dump("4100")},
                             Start() + Alloc(5120, 9, 1) + Free(5376, 8) + Free(5120, 8) + Mark("freelist snapshot 1"));
  EXPECT_EQ(result.equal(), 1);
  EXPECT_TRUE(result.dumps[0].lists.lists_equal == 1 && result.dumps[0].lists.lists == 1)
      << result.dumps[0].lists.first_difference;
}

TEST(AllocatorReplayTest, StartsAnewAtADumpThatDiffers) {
  const auto result =
      Replay({Dump("4100 4101"), Dump("4200 4201")}, Start() + Mark("freelist snapshot 1") + Alloc(4200));
  EXPECT_EQ(result.equal(), 1);
  ASSERT_EQ(result.dumps.size(), 1);
  EXPECT_FALSE(result.dumps[0].lists.AllEqual());
  EXPECT_THAT(result.dumps[0].lists.first_difference,
              HasSubstr("processor 0, order 0, type 0: 2 blocks in the kernel"));
}

TEST(AllocatorReplayTest, DecaysAfterStepsAndEachSecondAtThePhaseOfTheTrace) {
  const std::string drain =
      "  kworker/0:1-10  [000] .....  1.700000: mm_page_pcpu_drain: page=1 pfn=16 order=0 migratetype=0\n";
  const std::string late = Event("mm_page_free: page=1 pfn=4200 order=0", 4.2);
  const auto with_phase = Replay({Dump("4100")}, Start() + Mark("step 2 begin x") + Mark("step 2 end") + drain + late);
  EXPECT_EQ(with_phase.tick_phase_us, 700'000);
  EXPECT_EQ(with_phase.decays, 4);  // after step 2, at 1.7, 2.7 and 3.7; not after the step that dumps
  const auto without = Replay({Dump("4100")}, Start() + Mark("step 2 begin x") + Mark("step 2 end") + late);
  EXPECT_FALSE(without.tick_phase_us.has_value());
  EXPECT_EQ(without.decays, 1);
}

TEST(AllocatorReplayTest, ErrorsSayWhatIsWrong) {
  const auto error = [](const std::vector<AllocatorDump>& dumps, const std::string& trace) {
    return std::string(ReplayAllocator(dumps, trace, {}, {}).status().message());
  };
  EXPECT_THAT(error({}, Start()), HasSubstr("no dump of free lists"));
  EXPECT_THAT(error({Dump("4100")}, Alloc(4100)), HasSubstr("no mark \"dmprobe: freelist snapshot 0\""));
  EXPECT_THAT(error({Dump("4100")}, Start() + Mark("freelist snapshot 1")), HasSubstr("line 4: dump 1"));
  EXPECT_THAT(error({Dump("4100")}, Start() + "  t-1 [001] ..... 1.000000: mm_page_free: page=1 pfn=1 order=0\n"),
              HasSubstr("line 4: processor 1"));
  AllocatorReplayOptions options;
  options.tick_phase_us = 1'000'000;
  EXPECT_FALSE(ReplayAllocator({Dump("4100")}, Start(), {}, options).ok());
}

}  // namespace
}  // namespace dmfrag::experiment
