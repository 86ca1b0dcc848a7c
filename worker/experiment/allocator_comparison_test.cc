#include "worker/experiment/allocator_comparison.h"

#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dmfrag::experiment {
namespace {

using model::AllocatorSnapshot;
using model::BlockList;
using model::FrameNumber;
using model::Migratetype;
using model::Order;
using ::testing::HasSubstr;

AllocatorSnapshot State() {
  AllocatorSnapshot state;
  model::ZoneSnapshot& zone = state.zones.emplace_back();
  zone.bounds = {FrameNumber(4096), FrameNumber(6144)};
  zone.free = {BlockList{Order(3), Migratetype::kMovable, {FrameNumber(4104), FrameNumber(4096)}}};
  zone.per_cpu = {
      {.high = 100, .batch = 15, .lists = {BlockList{Order(0), Migratetype::kUnmovable, {FrameNumber(5000)}}}}};
  zone.block_types = {{FrameNumber(4096), 4, Migratetype::kMovable}};
  return state;
}

TEST(AllocatorComparisonTest, EqualStatesAreEqual) {
  const AllocatorComparison compared = CompareAllocators(State(), State());
  EXPECT_TRUE(compared.AllEqual());
  EXPECT_EQ(compared.lists, 1);
  EXPECT_EQ(compared.per_cpu_lists, 1);
  EXPECT_EQ(compared.highs, 1);
  EXPECT_EQ(compared.blocks, 4);
  EXPECT_EQ(compared.first_difference, "");
}

TEST(AllocatorComparisonTest, OrderWithinAListMatters) {
  AllocatorSnapshot model = State();
  std::swap(model.zones[0].free[0].blocks[0], model.zones[0].free[0].blocks[1]);
  const AllocatorComparison compared = CompareAllocators(State(), model);
  EXPECT_FALSE(compared.AllEqual());
  EXPECT_EQ(compared.lists_equal, 0);
  EXPECT_THAT(compared.first_difference, HasSubstr("order 3, type 1: 2 blocks in the kernel, 2 in the model"));
}

TEST(AllocatorComparisonTest, ListsOfOneSideCount) {
  AllocatorSnapshot model = State();
  model.zones[0].free.clear();
  model.zones[0].per_cpu[0].lists.push_back({Order(1), Migratetype::kMovable, {FrameNumber(5002)}});
  const AllocatorComparison compared = CompareAllocators(State(), model);
  EXPECT_EQ(compared.lists, 1);
  EXPECT_EQ(compared.lists_equal, 0);
  EXPECT_EQ(compared.per_cpu_lists, 2);
  EXPECT_EQ(compared.per_cpu_lists_equal, 1);
}

TEST(AllocatorComparisonTest, HighAndBlockTypesCount) {
  AllocatorSnapshot model = State();
  model.zones[0].per_cpu[0].high = 99;
  model.zones[0].block_types = {{FrameNumber(4096), 3, Migratetype::kMovable},
                                {FrameNumber(5632), 1, Migratetype::kUnmovable}};
  const AllocatorComparison compared = CompareAllocators(State(), model);
  EXPECT_EQ(compared.highs_equal, 0);
  EXPECT_EQ(compared.blocks_equal, 3);
  EXPECT_THAT(compared.first_difference, HasSubstr("high is 100 in the kernel, 99 in the model"));
}

TEST(AllocatorComparisonTest, AMissingZoneIsDifferentThroughout) {
  const AllocatorComparison compared = CompareAllocators(State(), {});
  EXPECT_EQ(compared.lists_equal + compared.per_cpu_lists_equal + compared.highs_equal + compared.blocks_equal, 0);
}

}  // namespace
}  // namespace dmfrag::experiment
