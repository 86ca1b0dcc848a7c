#include "worker/experiment/calls/call_comparison.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::experiment {
namespace {

using model::EntryFlags;
using model::FrameCount;
using model::FrameNumber;
using workload::CpaCall;
using workload::ReplayInput;
using workload::ReplayStep;
using workload::StepOperations;

class CallComparisonTest : public ::testing::Test {
 protected:
  CallComparisonTest()
      : input_{.capture_id = "made up",
               .kernel = "6.12",
               .release = model::KernelRelease::k6_12,
               .memory = *model::MemoryMap::Pc(uint64_t{1} << 30),
               .mapping = {},
               .start_step = {},
               .start_runs = {},
               .start_counters = {},
               .steps = {},
               .limitation = {}} {}

  StepOperations& AddStep(std::string action, std::vector<CpaCall> calls) {
    const auto index = static_cast<int32_t>(input_.steps.size());
    ReplayStep step;
    step.index = index;
    step.action = action;
    step.source = workload::RequestSource::kCpaCalls;
    step.calls = std::move(calls);
    input_.steps.push_back(std::move(step));
    StepOperations operations;
    operations.step = index;
    operations.action = std::move(action);
    input_.operations.push_back(std::move(operations));
    return input_.operations.back();
  }
  std::vector<CallComparison> Compare() {
    auto rows = CompareCalls(input_);
    EXPECT_OK(rows);
    return rows.ok() ? *rows : std::vector<CallComparison>();
  }

  ReplayInput input_;
};

CpaCall Change(uint64_t first, uint64_t pages, uint16_t set, uint16_t clear) {
  CpaCall call;
  call.first = FrameNumber(first);
  call.pages_each = FrameCount(pages);
  call.set = EntryFlags(set);
  call.clear = EntryFlags(clear);
  return call;
}

constexpr uint16_t kNoWrite = EntryFlags::kWritable | EntryFlags::kDirty;

TEST_F(CallComparisonTest, FunctionsOnTheDirectMap) {
  AddStep("dmat set_memory_ro 0 7", {Change(900, 7, 0, kNoWrite)}).functions = {
      {"set_memory_ro", FrameNumber(900), FrameCount(7), 0}};
  AddStep("dmat set_memory_ro 0 7", {Change(901, 7, 0, kNoWrite)}).functions = {
      {"set_memory_ro", FrameNumber(900), FrameCount(7), 0}};
  EXPECT_EQ(Compare(), (std::vector<CallComparison>{{0, CallUser::kSetMemory, 1, 1, 1, 0},
                                                    {1, CallUser::kSetMemory, 1, 1, 0, 0}}));
}

// A program without JIT: its page is learned, its free generated.
TEST_F(CallComparisonTest, BpfProgramAndItsFree) {
  AddStep("ebpf p 1 2 200", {Change(900, 1, 0, kNoWrite)}).mapped = {
      {.address = 0, .set = {}, .clear = EntryFlags(kNoWrite), .collapse = false, .pages = 1}};
  CpaCall invalid = Change(900, 1, 0, 0);
  invalid.op = CpaCall::Op::kSetDirectMapInvalid;
  CpaCall back = invalid;
  back.op = CpaCall::Op::kSetDirectMapDefault;
  AddStep("sleep 1", {invalid, back});
  EXPECT_EQ(Compare(), (std::vector<CallComparison>{{0, CallUser::kBpf, 1, 1, 0, 1}, {1, CallUser::kBpf, 2, 2, 2, 0}}));
}

// What is learned must agree with the pages that were asked for at other addresses.
TEST_F(CallComparisonTest, MasksAndCountsOfOtherAddressesBindWhatIsLearned) {
  AddStep("ebpf p 1 2 200", {Change(900, 1, 0, kNoWrite), Change(901, 1, 0, kNoWrite)}).mapped = {
      {.address = 0, .set = {}, .clear = EntryFlags(kNoWrite), .collapse = false, .pages = 1}};
  EXPECT_EQ(Compare(), (std::vector<CallComparison>{{0, CallUser::kBpf, 2, 1, 0, 1}}));
  input_.operations[0].mapped[0].pages = 3;
  EXPECT_EQ(Compare(), (std::vector<CallComparison>{{0, CallUser::kBpf, 2, 3, 0, 2}}));
}

// The CPA call inside set_direct_map_*, recorded apart.
TEST_F(CallComparisonTest, InnerCallIsNotCountedTwice) {
  CpaCall invalid = Change(900, 1, 0, 0);
  invalid.op = CpaCall::Op::kSetDirectMapInvalid;
  const CpaCall inside = Change(900, 1, 0, EntryFlags::kPresent | kNoWrite);
  AddStep("sleep 1", {invalid, inside});
  EXPECT_EQ(Compare(), (std::vector<CallComparison>{{0, CallUser::kOther, 1, 2, 0, 1}}));
}

TEST_F(CallComparisonTest, StepsThatWereNotRecordedHaveNoRows) {
  AddStep("secret a 1", {}).secrets = {
      {.kind = workload::SecretOperation::Kind::kTouch, .area = "a", .frames = {FrameNumber(5)}}};
  input_.steps[0].source = workload::RequestSource::kFrames;
  EXPECT_TRUE(Compare().empty());
}

TEST_F(CallComparisonTest, TooManyCallsAreRefused) {
  CpaCall many = Change(900, 1, 0, kNoWrite);
  many.count = uint64_t{1} << 32;
  AddStep("ebpf p 1 2 200", {many});
  EXPECT_THAT(CompareCalls(input_), StatusIs(absl::StatusCode::kInvalidArgument, testing::HasSubstr("step 0")));
}

}  // namespace
}  // namespace dmfrag::experiment
