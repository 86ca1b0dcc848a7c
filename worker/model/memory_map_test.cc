#include "worker/model/memory_map.h"

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::model {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kMib = 1 << 20;
constexpr uint64_t kGib = 1 << 30;

FrameRange Frames(uint64_t first, uint64_t end) { return {FrameNumber(first), FrameNumber(end)}; }

TEST(MemoryMapTest, CutsRangesToWholePagesAndJoinsNeighbours) {
  const auto map = MemoryMap::FromUsableRanges({{100, 8192}, {8192, 20479}, {40960, 45056}});
  ASSERT_OK(map);
  EXPECT_EQ(map->ranges(), (std::vector<FrameRange>{Frames(1, 4), Frames(10, 11)}));
  EXPECT_EQ(map->total(), FrameCount(4));
  EXPECT_EQ(map->end(), FrameNumber(11));
}

TEST(MemoryMapTest, RefusesWhatIsNoMap) {
  for (const std::vector<ByteRange>& ranges : {std::vector<ByteRange>{},
                                               {{0, 0}},
                                               {{8192, 4096}},
                                               {{0, 8192}, {4096, 12288}},
                                               {{8192, 12288}, {0, 4096}},
                                               {{0, MemoryMap::kMaxAddressBytes + 4096}},
                                               {{1, 4097}}}) {
    EXPECT_THAT(MemoryMap::FromUsableRanges(ranges), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("range")));
  }
}

TEST(MemoryMapTest, PcHasALegacyHoleAndContinuesAboveFourGib) {
  const auto map = MemoryMap::Pc(8 * kGib);
  ASSERT_OK(map);
  EXPECT_EQ(map->ranges(), (std::vector<FrameRange>{Frames(0, 160), Frames(256, 786432), Frames(1048576, 2359296)}));
}

TEST(MemoryMapTest, SmallPcEndsBelowTheHole) {
  const auto map = MemoryMap::Pc(256 * kMib);
  ASSERT_OK(map);
  EXPECT_EQ(map->ranges(), (std::vector<FrameRange>{Frames(0, 160), Frames(256, 65536)}));
}

TEST(MemoryMapTest, RefusesOddSizes) {
  for (uint64_t bytes : {uint64_t{0}, kGib + 1, (uint64_t{64} << 40) + 4096}) {
    EXPECT_THAT(MemoryMap::Pc(bytes), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("64 TiB")));
  }
}

TEST(MemoryMapTest, CoversNeedsEveryFrame) {
  const auto map = MemoryMap::FromUsableRanges({{40960, 81920}});
  ASSERT_OK(map);
  EXPECT_TRUE(map->Covers(Frames(10, 20)));
  EXPECT_TRUE(map->Covers(Frames(12, 13)));
  EXPECT_FALSE(map->Covers(Frames(9, 12)));
  EXPECT_FALSE(map->Covers(Frames(19, 21)));
  EXPECT_FALSE(map->Covers(Frames(0, 5)));
}

}  // namespace
}  // namespace dmfrag::model
