#include "worker/experiment/calls/vfree_matcher.h"

#include <initializer_list>
#include <variant>
#include <vector>

#include "gtest/gtest.h"
#include "worker/workload/calls/execmem_calls.h"
#include "worker/workload/calls/set_memory.h"

namespace dmfrag::experiment {
namespace {

using model::FrameNumber;
using model::KernelRelease;
using workload::DirectMapCall;

constexpr int32_t kStep = 4;

class VfreeMatcherTest : public ::testing::Test {
 protected:
  void Know(CallUser user, std::initializer_list<uint64_t> frames, bool divisible = false, bool open_end = false) {
    VmallocArea area{.user = user, .frames = {}, .divisible = divisible, .open_end = open_end};
    for (const uint64_t frame : frames) area.frames.push_back(FrameNumber(frame));
    matcher_.Know(std::move(area));
  }
  void Invalid(std::initializer_list<uint64_t> frames) {
    for (const uint64_t frame : frames) {
      Take(std::get<DirectMapCall>(workload::SetDirectMapInvalid(FrameNumber(frame), KernelRelease::k6_12)));
    }
  }
  void Default(std::initializer_list<uint64_t> frames) {
    for (const uint64_t frame : frames) {
      Take(std::get<DirectMapCall>(workload::SetDirectMapDefault(FrameNumber(frame))));
    }
  }
  void Take(const DirectMapCall& call) { matcher_.Take(kStep, CallUser::kOther, call, tally_); }
  CallComparison Of(CallUser user) {
    matcher_.End(tally_);
    for (const CallComparison& row : tally_.comparisons()) {
      if (row.user == user) return row;
    }
    return {.step = kStep, .user = user};
  }
  static CallComparison Row(CallUser user, int64_t recorded, int64_t generated, int64_t equal, int64_t learned) {
    return {kStep, user, recorded, generated, equal, learned};
  }

  VfreeMatcher matcher_{KernelRelease::k6_12};
  CallTally tally_;
};

TEST_F(VfreeMatcherTest, KnownAreaIsGeneratedWhole) {
  Know(CallUser::kBpf, {7, 9, 8});
  Invalid({7, 9, 8});
  Default({7, 9, 8});
  EXPECT_EQ(Of(CallUser::kBpf), Row(CallUser::kBpf, 6, 6, 6, 0));
}

TEST_F(VfreeMatcherTest, UnknownAreaIsLearnedFromItsFirstHalf) {
  Invalid({7, 9, 8});
  Default({7, 9, 8});
  EXPECT_EQ(Of(CallUser::kOther), Row(CallUser::kOther, 6, 6, 3, 3));
}

TEST_F(VfreeMatcherTest, AnotherOrderIsADifference) {
  Know(CallUser::kBpf, {7, 9, 8});
  Invalid({7, 9, 8});
  Default({7, 8, 9});
  const CallComparison bpf = Of(CallUser::kBpf);
  EXPECT_EQ(bpf, Row(CallUser::kBpf, 5, 6, 5, 0));
  EXPECT_EQ(Of(CallUser::kOther).recorded, 1);
  EXPECT_EQ(Of(CallUser::kOther).generated, 0);
}

TEST_F(VfreeMatcherTest, AMissingCallIsADifference) {
  Know(CallUser::kBpf, {7, 9});
  Invalid({7, 9});
  Default({7});
  EXPECT_EQ(Of(CallUser::kBpf), Row(CallUser::kBpf, 3, 4, 3, 0));
}

TEST_F(VfreeMatcherTest, AKnownAreaThatEndsEarlyIsADifference) {
  Know(CallUser::kModule, {7, 9});
  Invalid({7});
  Default({7});
  EXPECT_EQ(Of(CallUser::kModule), Row(CallUser::kModule, 2, 4, 2, 0));
}

// Text and init text: limits are not known until the init text is freed.
TEST_F(VfreeMatcherTest, DivisibleAreaIsFreedFromBehindOrFromTheFront) {
  Know(CallUser::kModule, {1, 2, 3, 4}, /*divisible=*/true);
  Invalid({4});
  Default({4});
  Invalid({1, 2, 3});
  Default({1, 2, 3});
  Know(CallUser::kModule, {11, 12}, /*divisible=*/true);
  Invalid({11});
  Default({11});
  Invalid({12});
  Default({12});
  EXPECT_EQ(Of(CallUser::kModule), Row(CallUser::kModule, 12, 12, 12, 0));
}

TEST_F(VfreeMatcherTest, OpenAreaGoesOnWithPagesNeverSeen) {
  Know(CallUser::kModule, {1, 2}, /*divisible=*/true, /*open_end=*/true);
  Invalid({1, 2, 50});
  Default({1, 2, 50});
  EXPECT_EQ(Of(CallUser::kModule), Row(CallUser::kModule, 6, 6, 5, 1));
}

TEST_F(VfreeMatcherTest, BlockOfTheRoxCacheGoesBackInOneCall) {
  matcher_.Know({.user = CallUser::kModule, .frames = {FrameNumber(1024)}, .block = true});
  Take(std::get<DirectMapCall>(workload::ExecmemClean({FrameNumber(1024), FrameNumber(1536)}).front()));
  EXPECT_EQ(Of(CallUser::kModule), Row(CallUser::kModule, 1, 1, 1, 0));
}

}  // namespace
}  // namespace dmfrag::experiment
