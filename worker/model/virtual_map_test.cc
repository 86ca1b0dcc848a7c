#include "worker/model/virtual_map.h"

#include "gtest/gtest.h"

namespace dmfrag::model {
namespace {

constexpr EntryFlags kFlags = EntryFlags::PageKernel();
constexpr VirtualPage kBlock(512 * 1000);

TEST(VirtualMapTest, HolesAndEntriesOfBothSizes) {
  VirtualMap map(VirtualMap::Kind::kVmalloc);
  EXPECT_FALSE(map.Lookup(kBlock).has_value());
  map.Map4K(kBlock + FrameCount(3), FrameNumber(77), kFlags);
  map.Map2M(kBlock + kFramesPer2M, FrameNumber(1024), kFlags);
  EXPECT_FALSE(map.Lookup(kBlock).has_value());
  EXPECT_EQ(map.Lookup(kBlock + FrameCount(3))->frame, FrameNumber(77));
  const auto large = map.Lookup(kBlock + FrameCount(600));
  EXPECT_EQ(large->level, MapLevel::k2M);
  EXPECT_EQ(large->first, kBlock + kFramesPer2M);
  EXPECT_EQ(large->frame, FrameNumber(1024));
}

TEST(VirtualMapTest, SplitKeepsFramesAndCollapseGivesTheTableBack) {
  VirtualMap map(VirtualMap::Kind::kVmalloc);
  map.Map2M(kBlock, FrameNumber(1024), kFlags);
  EXPECT_FALSE(map.UniformFlags(kBlock).has_value()) << "a large page has nothing to put together";
  map.Split(kBlock + FrameCount(9), kFlags, FrameNumber(5));
  EXPECT_EQ(map.Lookup(kBlock + FrameCount(511))->frame, FrameNumber(1535));
  EXPECT_EQ(map.UniformFlags(kBlock), kFlags);
  map.SetFlags(kBlock + FrameCount(9), EntryFlags(EntryFlags::kPresent));
  EXPECT_FALSE(map.UniformFlags(kBlock).has_value());
  map.SetFlags(kBlock + FrameCount(9), kFlags);
  EXPECT_EQ(map.Collapse(kBlock), FrameNumber(5));
  EXPECT_EQ(map.Lookup(kBlock + FrameCount(9))->level, MapLevel::k2M);
}

TEST(VirtualMapTest, ScatteredOrUnalignedFramesAreNotUniform) {
  VirtualMap scattered(VirtualMap::Kind::kVmalloc);
  VirtualMap unaligned(VirtualMap::Kind::kVmalloc);
  for (uint64_t i = 0; i < 512; ++i) {
    scattered.Map4K(kBlock + FrameCount(i), FrameNumber(1024 + (i == 40 ? 9999 : i)), kFlags);
    unaligned.Map4K(kBlock + FrameCount(i), FrameNumber(1025 + i), kFlags);
  }
  EXPECT_FALSE(scattered.UniformFlags(kBlock).has_value());
  EXPECT_FALSE(unaligned.UniformFlags(kBlock).has_value());
}

TEST(VirtualMapTest, UnmapTakesWholeLargePagesAndParts) {
  VirtualMap map(VirtualMap::Kind::kVmalloc);
  map.Map4K(kBlock + FrameCount(3), FrameNumber(77), kFlags);
  map.Map4K(kBlock + FrameCount(4), FrameNumber(78), kFlags);
  map.Map2M(kBlock + kFramesPer2M, FrameNumber(1024), kFlags);
  map.Unmap({kBlock + FrameCount(4), kBlock + FrameCount(1024)});
  EXPECT_TRUE(map.Lookup(kBlock + FrameCount(3)).has_value());
  EXPECT_FALSE(map.Lookup(kBlock + FrameCount(4)).has_value());
  EXPECT_FALSE(map.Lookup(kBlock + kFramesPer2M).has_value());
  map.Map2M(kBlock + kFramesPer2M, FrameNumber(2048), kFlags);
  EXPECT_EQ(map.Lookup(kBlock + kFramesPer2M)->frame, FrameNumber(2048));
}

}  // namespace
}  // namespace dmfrag::model
