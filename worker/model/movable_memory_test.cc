#include "worker/model/movable_memory.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint64_t kMib = 1 << 20;
constexpr uint64_t kGib = 1 << 30;

FrameNumber AtMib(uint64_t mib) { return FrameNumber(mib * kMib / kFrameBytes); }
FrameCount Mib(uint64_t mib) { return FrameCount(mib * kMib / kFrameBytes); }

absl::StatusOr<MovableMemory> Of(uint64_t bytes, uint32_t nodes, uint32_t per_mille, FrameCount hotplugged) {
  const MemoryMap memory = *MemoryMap::Pc(bytes);
  return MovableMemory::Of(memory, *NumaTopology::Even(memory, nodes, nodes), per_mille, hotplugged);
}

TEST(MovableMemoryTest, ThereIsNoneUnlessAskedFor) {
  const auto none = Of(8 * kGib, 2, 0, FrameCount(0));
  ASSERT_OK(none);
  EXPECT_TRUE(none->first_frames.empty());
  EXPECT_TRUE(none->added.empty());
}

TEST(MovableMemoryTest, IsTheEndOfEachNode) {
  // 8 GiB and a hole of 1 GiB: nodes of 4 GiB each, the first of which ends at 5 GiB.
  const auto movable = Of(8 * kGib, 2, 250, FrameCount(0));
  ASSERT_OK(movable);
  // All but the 384 KiB of the legacy hole, a quarter of which the first node has less than a GiB: the next whole
  // block.
  EXPECT_THAT(movable->first_frames, ElementsAre(AtMib(4100), AtMib(8192)));
}

TEST(MovableMemoryTest, IsNoMoreThanTheHighestZoneHas) {
  EXPECT_THAT(Of(4 * kGib, 1, 900, FrameCount(0))->first_frames, ElementsAre(AtMib(4096)));
  // Without a Normal zone, DMA32 is the highest.
  EXPECT_THAT(Of(2 * kGib, 1, 500, FrameCount(0))->first_frames, ElementsAre(AtMib(1028)));
}

TEST(MovableMemoryTest, BeginsAtAWholeLargestBlock) {
  const auto movable = Of(kGib + 5 * kFrameBytes, 1, 333, FrameCount(0));
  ASSERT_OK(movable);
  EXPECT_TRUE(movable->first_frames[0].IsAligned(kMaxOrder.frames()));
  EXPECT_GT(movable->first_frames[0], AtMib(1024 - 341));
  EXPECT_LE(movable->first_frames[0], AtMib(1024 - 341 + 4));
}

TEST(MovableMemoryTest, AddedMemoryIsTheLastNodesAndLiesAboveDevices) {
  const auto small = Of(2 * kGib, 1, 0, Mib(1024));
  ASSERT_OK(small);
  EXPECT_EQ(small->added, (FrameRange{AtMib(4096), AtMib(5120)}));
  EXPECT_THAT(small->first_frames, ElementsAre(AtMib(4096)));
  const auto large = Of(8 * kGib + 4096, 2, 0, Mib(128));
  ASSERT_OK(large);
  EXPECT_EQ(large->added, (FrameRange{AtMib(9 * 1024 + 128), AtMib(9 * 1024 + 256)}));
  ASSERT_EQ(large->first_frames.size(), 2);
  EXPECT_GE(large->first_frames[0], AtMib(5 * 1024));  // none
  EXPECT_EQ(large->first_frames[1], AtMib(9 * 1024 + 128));
  // It joins what the last node has already.
  EXPECT_THAT(Of(8 * kGib, 2, 250, Mib(128))->first_frames, ElementsAre(AtMib(4100), AtMib(8192)));
}

TEST(MovableMemoryTest, RefusesWhatNoMachineHas) {
  EXPECT_THAT(Of(kGib, 1, 901, FrameCount(0)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("901 thousandths")));
  EXPECT_THAT(Of(kGib, 1, 0, Mib(64)), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("multiple of 128 MiB")));
  for (const uint64_t tib : {uint64_t{128}, uint64_t{1} << 30}) {
    EXPECT_THAT(Of(kGib, 1, 0, FrameCount(tib << 28)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("below 128 TiB")));
  }
}

}  // namespace
}  // namespace dmfrag::model
