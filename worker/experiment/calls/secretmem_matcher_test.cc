#include "worker/experiment/calls/secretmem_matcher.h"

#include <initializer_list>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "gtest/gtest.h"
#include "worker/workload/calls/set_memory.h"

namespace dmfrag::experiment {
namespace {

using model::FrameNumber;
using model::KernelRelease;
using workload::DirectMapCall;
using workload::SecretOperation;
using workload::StepOperations;
using Frames = std::vector<std::optional<FrameNumber>>;

SecretOperation Touch(std::string area, Frames frames) {
  return {.kind = SecretOperation::Kind::kTouch, .area = std::move(area), .frames = std::move(frames)};
}
SecretOperation Free(std::string area) {
  return {.kind = SecretOperation::Kind::kFree, .area = std::move(area), .frames = {}};
}
StepOperations Step(std::vector<SecretOperation> secrets, bool several_threads = false) {
  StepOperations step;
  step.several_threads = several_threads;
  step.secrets = std::move(secrets);
  return step;
}

std::vector<DirectMapCall> Invalid(std::initializer_list<uint64_t> frames) {
  std::vector<DirectMapCall> calls;
  for (const uint64_t frame : frames) {
    calls.push_back(std::get<DirectMapCall>(workload::SetDirectMapInvalid(FrameNumber(frame), KernelRelease::k6_1)));
  }
  return calls;
}
std::vector<DirectMapCall> Default(std::initializer_list<uint64_t> frames) {
  std::vector<DirectMapCall> calls;
  for (const uint64_t frame : frames) {
    calls.push_back(std::get<DirectMapCall>(workload::SetDirectMapDefault(FrameNumber(frame))));
  }
  return calls;
}

class SecretmemMatcherTest : public ::testing::Test {
 protected:
  size_t Others(const StepOperations& step, const std::vector<DirectMapCall>& recorded) {
    return matcher_.Match(step, recorded, tally_).size();
  }
  void ExpectTotals(int64_t recorded, int64_t generated, int64_t equal, int64_t learned) {
    ASSERT_EQ(tally_.comparisons().size(), 1U);
    EXPECT_EQ(tally_.comparisons()[0], (CallComparison{0, CallUser::kSecretmem, recorded, generated, equal, learned}));
  }

  SecretmemMatcher matcher_{KernelRelease::k6_1};
  CallTally tally_;
};

TEST_F(SecretmemMatcherTest, TouchAndFreeFollowTheFile) {
  EXPECT_EQ(Others(Step({Touch("a", {FrameNumber(9), FrameNumber(3)})}), Invalid({9, 3})), 0U);
  EXPECT_EQ(Others(Step({Free("a")}), Default({9, 3})), 0U);
  ExpectTotals(4, 4, 4, 0);
}

TEST_F(SecretmemMatcherTest, FreedInAnotherOrderIsADifference) {
  matcher_.Skip(Step({Touch("a", {FrameNumber(9), FrameNumber(3), FrameNumber(4)})}));
  EXPECT_EQ(Others(Step({Free("a")}), Default({9, 4, 3})), 1U);
  ExpectTotals(2, 3, 2, 0);
}

TEST_F(SecretmemMatcherTest, UnknownFramesAreLearnedAndFreed) {
  EXPECT_EQ(Others(Step({Touch("a", {FrameNumber(9), std::nullopt})}), Invalid({9, 5})), 0U);
  EXPECT_EQ(Others(Step({Free("a")}), Default({9, 5})), 0U);
  ExpectTotals(4, 4, 3, 1);
}

TEST_F(SecretmemMatcherTest, ThreadsMayInterleave) {
  const StepOperations step =
      Step({Touch("a.0", {FrameNumber(9), FrameNumber(3)}), Touch("a.1", {FrameNumber(20), FrameNumber(21)})}, true);
  EXPECT_EQ(Others(step, Invalid({20, 9, 3, 21})), 0U);
  ExpectTotals(4, 4, 4, 0);
}

// vmalloc frees frame 9, which then becomes the first secret page.
TEST_F(SecretmemMatcherTest, FreeOfTheSameFrameBeforeIsNotTakenForTheFault) {
  std::vector<DirectMapCall> recorded = Invalid({9});
  for (const DirectMapCall& call : Default({9})) recorded.push_back(call);
  for (const DirectMapCall& call : Invalid({9})) recorded.push_back(call);
  const std::vector<DirectMapCall> others = matcher_.Match(Step({Touch("a", {FrameNumber(9)})}), recorded, tally_);
  ASSERT_EQ(others.size(), 2U);
  EXPECT_EQ(others[1].op, workload::CpaCall::Op::kSetDirectMapDefault);
  ExpectTotals(1, 1, 1, 0);
}

TEST_F(SecretmemMatcherTest, ChurnOfThreadsIsLearnedAndFreed) {
  StepOperations step = Step({}, true);
  step.churned_secret_pages = 2;
  std::vector<DirectMapCall> recorded = Invalid({9, 3});
  for (const DirectMapCall& call : Default({3, 9, 50})) recorded.push_back(call);
  EXPECT_EQ(Others(step, recorded), 1U);
  ExpectTotals(4, 4, 2, 2);
}

TEST_F(SecretmemMatcherTest, ChurnThatIsNotRecordedIsADifference) {
  StepOperations step = Step({}, true);
  step.churned_secret_pages = 2;
  EXPECT_EQ(Others(step, Invalid({9})), 0U);
  ExpectTotals(1, 4, 0, 1);
}

TEST_F(SecretmemMatcherTest, AreasOfOtherMemoryMakeNoCalls) {
  EXPECT_EQ(Others(Step({Free("anon")}), {}), 0U);
  EXPECT_TRUE(tally_.comparisons().empty());
}

}  // namespace
}  // namespace dmfrag::experiment
