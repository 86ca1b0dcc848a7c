#include "worker/experiment/free_running/split_block_use.h"

#include "gtest/gtest.h"

namespace dmfrag::experiment {
namespace {

using model::FrameCount;
using model::FrameNumber;

TEST(SplitBlockUseTest, PagesCountOnceAndOnlyInSplitBlocks) {
  SplitBlockUse use;
  use.Change(FrameNumber(512), FrameCount(2));
  use.Change(FrameNumber(1024), FrameCount(1));
  EXPECT_EQ(use.counts(), SplitBlockCounts{}) << "nothing is split yet";
  use.Split(FrameNumber(512));
  EXPECT_EQ(use.counts(), (SplitBlockCounts{1, 2})) << "what was changed before the split counts";
  use.Change(FrameNumber(513), FrameCount(2));
  EXPECT_EQ(use.counts(), (SplitBlockCounts{1, 3})) << "page 513 was counted";
  use.Split(FrameNumber(512));
  EXPECT_EQ(use.counts(), (SplitBlockCounts{1, 3})) << "the same block again";
  EXPECT_DOUBLE_EQ(use.counts().PagesPerBlock(), 3);
}

TEST(SplitBlockUseTest, RangeOverTwoBlocksCountsInEach) {
  SplitBlockUse use;
  use.Split(FrameNumber(512));
  use.Split(FrameNumber(1024));
  use.Change(FrameNumber(1020), FrameCount(8));
  EXPECT_EQ(use.counts(), (SplitBlockCounts{2, 8}));
  EXPECT_DOUBLE_EQ(use.counts().PagesPerBlock(), 4);
}

TEST(SplitBlockUseTest, NoBlockHasNoPages) { EXPECT_EQ(SplitBlockUse().counts().PagesPerBlock(), 0); }

}  // namespace
}  // namespace dmfrag::experiment
