#include "worker/experiment/flushes/flush_prediction.h"

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/experiment/flushes/recorded_steps.h"

namespace dmfrag::experiment {
namespace {

using workload::CpaCall;
using workload::ReplayInput;

std::vector<FlushPrediction> Predicted(const ReplayInput& input) {
  auto predicted = PredictFlushes(input);
  EXPECT_OK(predicted);
  return *std::move(predicted);
}

// Of the last step.
FlushCounts LastOf(const ReplayInput& input) { return Predicted(input).back().flushes; }

// A 6.12 module: rodata, data, text, init text, init data; freed in two goes.
constexpr uint64_t kRodata = 1024;
constexpr uint64_t kData = 1536;
constexpr uint64_t kText = 2048;
constexpr uint64_t kInitText = 2049;
constexpr uint64_t kInitData = 2560;

void AddModuleLoad(ReplayInput& input) {
  AddStep(input, "insmod m",
          {ReadOnly(kRodata), NoExecute(kData), NoExecute(kRodata), NoExecute(kInitData), ReadOnly(kText),
           ReadOnly(kInitText), ReadOnly(kRodata), Invalid(kInitText), Default(kInitText), Invalid(kInitData),
           Default(kInitData)});
}

void AddModuleUnload(ReplayInput& input) {
  AddStep(input, "rmmod m",
          {Invalid(kText), Default(kText), Invalid(kData), Default(kData), Invalid(kRodata), Default(kRodata)});
}

TEST(PredictFlushesTest, ASecretFaultFlushesItsPageAndASplitAll) {
  ReplayInput input = RecordedInput(model::KernelRelease::k6_12);
  AddStep(input, "secret a 3", {Invalid(700, 3)});
  AddStep(input, "free a", {Default(700, 3)});
  const auto predicted = Predicted(input);
  ASSERT_EQ(predicted.size(), 2u);
  EXPECT_EQ(predicted[0].user, StepUser::kSecretFault);
  EXPECT_EQ(predicted[0].operations, 3);
  EXPECT_EQ(predicted[0].flushes, (FlushCounts{.flush_tlb_all = 1, .flush_tlb_kernel_range = 3}));
  EXPECT_EQ(predicted[0].flushes.InterruptsPerOtherCpu(8), 4);
  EXPECT_EQ(predicted[0].flushes.InterruptsPerOtherCpu(1), 0);
  EXPECT_EQ(predicted[1].user, StepUser::kFree);
  EXPECT_EQ(predicted[1].operations, 3);
  EXPECT_EQ(predicted[1].flushes, FlushCounts{});
}

TEST(PredictFlushesTest, BpfProgramsInAPackFlushNothing) {
  ReplayInput input = RecordedInput(model::KernelRelease::k6_12);
  AddStep(input, "ebpf e2 200 2 300", {});
  EXPECT_EQ(Predicted(input)[0].operations, 200);
  EXPECT_EQ(LastOf(input), FlushCounts{});
}

TEST(PredictFlushesTest, EachAreaOfAModuleIsOneFlush) {
  ReplayInput input = RecordedInput(model::KernelRelease::k6_12);
  AddModuleLoad(input);
  AddModuleUnload(input);
  const auto predicted = Predicted(input);
  EXPECT_EQ(predicted[0].operations, 1);
  // Three calls that changed something and as many splits: text and init text lie in one block, init data in its own.
  EXPECT_EQ(predicted[0].flushes, (FlushCounts{.flush_tlb_all = 3 + 3, .flush_tlb_kernel_range = 2 + 1}));
  EXPECT_EQ(predicted[1].operations, 3);
  // Data was large until it was freed page by page.
  EXPECT_EQ(predicted[1].flushes, (FlushCounts{.flush_tlb_all = 1, .flush_tlb_kernel_range = 3}));
}

TEST(PredictFlushesTest, AreasNeverFreedAreCountedToo) {
  ReplayInput input = RecordedInput(model::KernelRelease::k6_12);
  AddStep(input, "insmod m", {ReadOnly(10, 2), NoExecute(20), ReadOnly(30, 4)});
  EXPECT_EQ(LastOf(input).flush_tlb_all, 2);
}

TEST(PredictFlushesTest, LoadsThatFailedEarlyLeaveTheirBuffersToTheNextCall) {
  ReplayInput input = RecordedInput(model::KernelRelease::k6_12);
  AddStep(input, "insmod bad", {Invalid(100, 2), Default(100, 2), Invalid(110), Default(110)});
  EXPECT_EQ(LastOf(input), FlushCounts{.flush_tlb_kernel_range = 2});
  AddModuleLoad(input);
  AddModuleUnload(input);
  EXPECT_EQ(Predicted(input)[1].flushes, (FlushCounts{.flush_tlb_all = 3 + 3, .flush_tlb_kernel_range = 2 + 1 + 1}));
}

// 6.1: text, rodata and data in one area; NX alone is a change of its own range.
TEST(PredictFlushesTest, Before6_2TextIsMadeExecutableByACallWithoutAliases) {
  for (const bool long_text : {false, true}) {
    ReplayInput input = RecordedInput(model::KernelRelease::k6_1);
    const uint64_t core = long_text ? 60 : 6;
    const uint64_t init = 200;
    AddStep(input, "insmod m",
            {ReadOnly(10, core), ReadOnly(init), ReadOnly(10, core), ReadOnly(init), ReadOnly(10 + core),
             Invalid(init, 2), Default(init, 2)});
    AddStep(input, "rmmod m", {Invalid(10, core + 4), Default(10, core + 4)});
    const auto predicted = Predicted(input);
    EXPECT_EQ(predicted[0].operations, 1);
    // Text, rodata, init text, ro_after_init; two texts made executable; the init area freed, the file's buffer purged.
    EXPECT_EQ(predicted[0].flushes.flush_tlb_all, 4 + (long_text ? 1 : 0));
    EXPECT_EQ(predicted[0].flushes.cpa_ranges, long_text ? 1 : 2);
    EXPECT_EQ(predicted[0].flushes.flush_tlb_kernel_range, 2);
    EXPECT_EQ(predicted[0].flushes.InterruptsPerOtherCpu(2), 8);
    EXPECT_EQ(predicted[1].flushes, (FlushCounts{.flush_tlb_kernel_range = 1}));
  }
}

TEST(PredictFlushesTest, Before6_2APackIsReadOnlyAndExecutableAndNothingElse) {
  ReplayInput input = RecordedInput(model::KernelRelease::k6_1);
  AddStep(input, "ebpf p 1 2 3", {ReadOnly(0, 512)});
  AddStep(input, "free p", {Invalid(0, 512), Default(0, 512)});
  EXPECT_EQ(Predicted(input)[0].flushes, (FlushCounts{.flush_tlb_all = 2}));
  EXPECT_EQ(Predicted(input)[1].flushes, (FlushCounts{.flush_tlb_kernel_range = 1}));
}

TEST(PredictFlushesTest, Before6_2ATextOf34PagesIsMadeExecutableByAFullFlush) {
  for (const uint64_t pages : {33, 34}) {
    ReplayInput input = RecordedInput(model::KernelRelease::k6_1);
    AddStep(input, "ebpf p 1 2 3", {ReadOnly(0, pages)});
    AddStep(input, "free p", {Invalid(0, pages), Default(0, pages)});
    const FlushCounts expected =
        pages == 33 ? FlushCounts{.flush_tlb_all = 1, .cpa_ranges = 1} : FlushCounts{.flush_tlb_all = 2};
    EXPECT_EQ(Predicted(input)[0].flushes, expected) << pages;
  }
}

// A block of the cache, read-only as a whole, as 6.15 and later make it.
ReplayInput WithCacheBlock() {
  ReplayInput input = RecordedInput(model::KernelRelease::k7_3);
  AddStep(input, "sleep 1", {ReadOnly(1024, 1, 512)});
  EXPECT_EQ(LastOf(input), FlushCounts{.flush_tlb_all = 1});
  return input;
}

TEST(PredictFlushesTest, TextInTheCacheSplitsItsBlockAndCollapsesItAgain) {
  ReplayInput input = WithCacheBlock();
  AddStep(input, "insmod m",
          {NoExecute(1024, 3), Writable(1024, 3), NoExecute(20, 2), Writable(20, 2), NoExecute(1027), Writable(1027),
           ReadOnly(20, 2), NoExecute(20, 2), ReadOnly(1024, 4)});
  const FlushPrediction load = Predicted(input).back();
  EXPECT_EQ(load.operations, 1);
  EXPECT_EQ(load.cache_splits, 1);
  EXPECT_EQ(load.cache_collapses, 1);
  // nx, rw and rox of text and of init text, ro of rodata; a split of the cache's mapping and one of the direct map,
  // a collapse of the former.
  EXPECT_EQ(load.flushes, (FlushCounts{.flush_tlb_all = 3 + 3 + 1 + 2 + 1, .flush_tlb_kernel_range = 1}));
  // Init text is freed: filled with traps and made read-only again.
  AddStep(input, "sleep 1", {NoExecute(1027), Writable(1027), ReadOnly(1027)});
  EXPECT_EQ(LastOf(input), FlushCounts{.flush_tlb_all = 3 + 1 + 1});
}

TEST(PredictFlushesTest, AWholePackIsNeverSplit) {
  ReplayInput input = WithCacheBlock();
  AddStep(input, "sleep 1", {NoExecute(1024, 1, 512), Writable(1024, 1, 512), ReadOnly(1024, 1, 512)});
  const FlushPrediction freed = Predicted(input).back();
  EXPECT_EQ(freed.flushes, FlushCounts{.flush_tlb_all = 3});
  EXPECT_EQ(freed.cache_splits, 0);
}

TEST(PredictFlushesTest, CallsOnTheDirectMapFlushTheirRangeUpTo33Pages) {
  ReplayInput input = RecordedInput(model::KernelRelease::k7_3);
  AddStep(input, "dmat set_memory_ro 0 33", {ReadOnly(0, 1, 33)});
  EXPECT_EQ(LastOf(input), FlushCounts{.cpa_ranges = 1});
  AddStep(input, "dmat set_memory_ro 100 34", {ReadOnly(100, 1, 34)});
  EXPECT_EQ(LastOf(input), FlushCounts{.flush_tlb_all = 1});
  AddStep(input, "dmat set_memory_ro 100 34", {ReadOnly(100, 1, 34)});
  EXPECT_EQ(LastOf(input), FlushCounts{});
}

TEST(PredictFlushesTest, CollapseOfTheDirectMapFlushesOnceMore) {
  ReplayInput input = RecordedInput(model::KernelRelease::k7_3);
  AddStep(input, "dmat set_memory_ro 0 3", {ReadOnly(1024, 1, 3)});
  EXPECT_EQ(LastOf(input), (FlushCounts{.flush_tlb_all = 1, .cpa_ranges = 1}));
  CpaCall rox = ReadOnly(1024, 1, 512);
  rox.op = CpaCall::Op::kRox;
  AddStep(input, "dmat set_memory_rox 0 512", {rox});
  EXPECT_EQ(LastOf(input), FlushCounts{.flush_tlb_all = 2});
}

TEST(PredictFlushesTest, ImpossibleStartsAreRefused) {
  ReplayInput input = RecordedInput(model::KernelRelease::k7_3);
  input.start_counters.level2_splits = -1;
  EXPECT_THAT(PredictFlushes(input),
              StatusIs(absl::StatusCode::kInvalidArgument, testing::HasSubstr("starting counters")));
}

}  // namespace
}  // namespace dmfrag::experiment
