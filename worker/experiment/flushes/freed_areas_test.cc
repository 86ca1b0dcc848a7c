#include "worker/experiment/flushes/freed_areas.h"

#include "gtest/gtest.h"
#include "worker/experiment/flushes/recorded_steps.h"

namespace dmfrag::experiment {
namespace {

using model::FrameNumber;

TEST(FreedAreasTest, AllPagesInvalidThenDefaultIsOneArea) {
  workload::ReplayInput input = RecordedInput(model::KernelRelease::k6_12);
  AddStep(input, "rmall", {Invalid(700, 3), Invalid(900), Default(700, 3), Default(900), Invalid(701), Default(701)});
  const FreedAreas areas(input);
  EXPECT_EQ(areas.steps()[0].areas_freed, 2);
  EXPECT_EQ(areas.steps()[0].faults, 0);
  EXPECT_EQ(areas.steps()[0].frees, 0);
  EXPECT_EQ(areas.size(0).raw(), 4u);
  EXPECT_EQ(areas.size(1).raw(), 1u);
}

TEST(FreedAreasTest, APageBelongsToTheAreaItIsFreedWithNext) {
  workload::ReplayInput input = RecordedInput(model::KernelRelease::k6_12);
  AddStep(input, "insall m0", {ReadOnly(700, 2)});                                          // 0, 1
  AddStep(input, "rmall", {Invalid(700, 2), Default(700, 2), Invalid(700), Default(700)});  // 2 to 7
  const FreedAreas areas(input);
  EXPECT_EQ(areas.AreaAt(FrameNumber(700), 0), 0u);
  EXPECT_EQ(areas.AreaAt(FrameNumber(701), 1), 0u);
  EXPECT_EQ(areas.AreaAt(FrameNumber(700), 6), 1u);
  EXPECT_EQ(areas.AreaAt(FrameNumber(701), 6), std::nullopt);
  EXPECT_EQ(areas.AreaAt(FrameNumber(702), 0), std::nullopt);
}

TEST(FreedAreasTest, SecretPagesStayInvalidUntilTheyAreFreed) {
  workload::ReplayInput input = RecordedInput(model::KernelRelease::k6_12);
  AddStep(input, "secret a 5", {Invalid(700, 5)});
  AddStep(input, "free a", {Default(700, 5)});
  const FreedAreas areas(input);
  EXPECT_EQ(areas.steps()[0].faults, 5);
  EXPECT_EQ(areas.steps()[0].areas_freed, 0);
  EXPECT_EQ(areas.steps()[1].frees, 5);
  EXPECT_EQ(areas.steps()[1].areas_freed, 0);
}

TEST(FreedAreasTest, AnAreaFreedAmongFaultsIsNoFault) {
  workload::ReplayInput input = RecordedInput(model::KernelRelease::k6_12);
  AddStep(input, "secret a 3", {Invalid(700), Invalid(900, 2), Default(900, 2), Invalid(701, 2)});
  const FreedAreas areas(input);
  EXPECT_EQ(areas.steps()[0].faults, 3);
  EXPECT_EQ(areas.steps()[0].areas_freed, 1);
}

TEST(FreedAreasTest, FreesOfTwoProcessorsAreToldApartByTheirOrder) {
  workload::ReplayInput input = RecordedInput(model::KernelRelease::k6_12);
  AddStep(input, "rmall", {Invalid(700, 2), Default(700), Invalid(900, 2), Default(701), Default(900, 2)});
  const FreedAreas areas(input);
  EXPECT_EQ(areas.steps()[0].areas_freed, 2);
  EXPECT_EQ(areas.size(1).raw(), 2u);
}

TEST(FreedAreasTest, ChurnTakesAndGivesBack) {
  workload::ReplayInput input = RecordedInput(model::KernelRelease::k6_12);
  AddStep(input, "pchurn 4 60 40", {Invalid(700, 4), Default(700, 3), Invalid(700)});
  const FreedAreas areas(input);
  EXPECT_EQ(areas.steps()[0].faults, 5);
  EXPECT_EQ(areas.steps()[0].frees, 3);
  EXPECT_EQ(areas.steps()[0].areas_freed, 0);
}

TEST(FreedAreasTest, FramesBeyondMemoryAreIgnored) {
  workload::ReplayInput input = RecordedInput(model::KernelRelease::k6_12);
  AddStep(input, "secret a 3", {Invalid(uint64_t{1} << 30, 3)});
  EXPECT_EQ(FreedAreas(input).steps()[0].faults, 0);
}

}  // namespace
}  // namespace dmfrag::experiment
