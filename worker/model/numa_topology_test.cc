#include "worker/model/numa_topology.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint64_t kMib = 1 << 20;
constexpr uint64_t kGib = 1 << 30;

MemoryMap Pc(uint64_t bytes) { return *MemoryMap::Pc(bytes); }

FrameNumber AtMib(uint64_t mib) { return FrameNumber(mib * kMib / kFrameBytes); }

TEST(NumaTopologyTest, OneNodeHasEverything) {
  const NumaTopology topology = NumaTopology::OneNode(3);
  EXPECT_EQ(topology.nodes(), 1);
  EXPECT_THAT(topology.node_of_cpu(), ElementsAre(0, 0, 0));
  EXPECT_EQ(topology.RangeOf(0).first, FrameNumber(0));
}

// As nodes-* and numa-* have it: 8 GiB and 4 GiB, with the hole below 4 GiB, and four processors.
TEST(NumaTopologyTest, SharesMemoryAsRecordedMachinesDo) {
  const auto large = NumaTopology::Even(Pc(8 * kGib), 2, 4);
  ASSERT_OK(large);
  EXPECT_EQ(large->RangeOf(1).first, AtMib(5 * 1024));
  EXPECT_EQ(large->RangeOf(0).end, large->RangeOf(1).first);
  EXPECT_THAT(large->node_of_cpu(), ElementsAre(0, 0, 1, 1));
  const auto small = NumaTopology::Even(Pc(4 * kGib), 2, 4);
  ASSERT_OK(small);
  EXPECT_EQ(small->RangeOf(1).first, AtMib(2 * 1024));
}

TEST(NumaTopologyTest, RoundsToSections) {
  const auto topology = NumaTopology::Even(Pc(kGib), 3, 7);
  ASSERT_OK(topology);
  EXPECT_EQ(topology->RangeOf(1).first, AtMib(384));  // of 341
  EXPECT_EQ(topology->RangeOf(2).first, AtMib(640));  // of 683
  EXPECT_THAT(topology->node_of_cpu(), ElementsAre(0, 0, 0, 1, 1, 2, 2));
}

TEST(NumaTopologyTest, RefusesNodesWithNothing) {
  EXPECT_THAT(NumaTopology::Even(Pc(kGib), 0, 4), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 to 64")));
  EXPECT_THAT(NumaTopology::Even(Pc(64 * kGib), 65, 96),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 to 64")));
  EXPECT_THAT(NumaTopology::Even(Pc(8 * kGib), 4, 3),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("4 NUMA nodes but 3 processors")));
  EXPECT_THAT(NumaTopology::Even(Pc(256 * kMib), 4, 4),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("sections of 128 MiB")));
}

TEST(NumaTopologyTest, EveryNumberOfNodesThatFitsIsFilled) {
  for (uint32_t nodes = 1; nodes <= NumaTopology::kMaxNodes; ++nodes) {
    const auto topology = NumaTopology::Even(Pc(16 * kGib), nodes, nodes);
    ASSERT_OK(topology);
    for (uint32_t node = 0; node < nodes; ++node) EXPECT_EQ(topology->node_of_cpu()[node], node);
  }
}

TEST(NumaTopologyTest, TakesRecordedNodes) {
  const auto topology = NumaTopology::Create({FrameNumber(0), AtMib(512), AtMib(516)}, {0, 2, 2});
  ASSERT_OK(topology);
  EXPECT_EQ(topology->nodes(), 3);
  EXPECT_EQ(topology->RangeOf(1).end, AtMib(516));
}

TEST(NumaTopologyTest, RefusesContradictions) {
  EXPECT_THAT(NumaTopology::Create({}, {0}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("frame 0")));
  EXPECT_THAT(NumaTopology::Create({FrameNumber(0)}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("processor")));
  EXPECT_THAT(NumaTopology::Create({FrameNumber(0), FrameNumber(1000)}, {0}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("node 1 begins at frame 1000")));
  EXPECT_THAT(NumaTopology::Create({FrameNumber(0), AtMib(8), AtMib(4)}, {0}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("ascend")));
  EXPECT_THAT(NumaTopology::Create({FrameNumber(0)}, {0, 1}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("processor 1")));
}

TEST(NumaTopologyTest, FallsBackToTheNextNodeFirst) {
  const auto topology = NumaTopology::Even(Pc(8 * kGib), 4, 4);
  ASSERT_OK(topology);
  EXPECT_THAT(topology->FallbackOrder(0), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(topology->FallbackOrder(2), ElementsAre(2, 3, 0, 1));
}

}  // namespace
}  // namespace dmfrag::model
