#include "worker/model/vmalloc_space.h"

#include "gtest/gtest.h"

namespace dmfrag::model {
namespace {

TEST(VmallocSpaceTest, AreasNeverTouch) {
  VmallocSpace space;
  const VirtualRange first = space.Allocate(FrameCount(3), kFramesPer4K);
  const VirtualRange second = space.Allocate(FrameCount(1), kFramesPer4K);
  EXPECT_EQ(first.count(), FrameCount(3));
  EXPECT_EQ(second.count(), FrameCount(1));
  EXPECT_GT(second.first, first.end);
}

TEST(VmallocSpaceTest, AlignmentIsKept) {
  VmallocSpace space;
  space.Allocate(FrameCount(1), kFramesPer4K);
  const VirtualRange block = space.Allocate(kFramesPer2M, kFramesPer2M);
  EXPECT_TRUE(block.first.IsAligned(kFramesPer2M));
  EXPECT_GT(block.first, VirtualPage(0));
}

TEST(VmallocSpaceTest, AddressesOfASizeAreUsedAgain) {
  VmallocSpace space;
  const VirtualRange three = space.Allocate(FrameCount(3), kFramesPer4K);
  space.Free(three);
  EXPECT_NE(space.Allocate(FrameCount(2), kFramesPer4K).first, three.first);
  EXPECT_EQ(space.Allocate(FrameCount(3), kFramesPer4K).first, three.first);
  EXPECT_NE(space.Allocate(FrameCount(3), kFramesPer4K).first, three.first);
}

// Small areas that were given up are not enough for 512 pages on a 2M boundary.
TEST(VmallocSpaceTest, AnAreaThatIsNotAlignedIsNotUsedForOneThatMustBe) {
  VmallocSpace space;
  space.Allocate(FrameCount(1), kFramesPer4K);
  space.Free(space.Allocate(kFramesPer2M, kFramesPer4K));
  EXPECT_TRUE(space.Allocate(kFramesPer2M, kFramesPer2M).first.IsAligned(kFramesPer2M));
}

}  // namespace
}  // namespace dmfrag::model
