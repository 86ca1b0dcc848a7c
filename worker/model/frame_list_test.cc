#include "worker/model/frame_list.h"

#include <vector>

#include "gtest/gtest.h"

namespace dmfrag::model {
namespace {

std::vector<FrameIndex> Walk(const FrameTable& table, const FrameList& list) {
  std::vector<FrameIndex> found;
  for (FrameIndex i = list.head(); i != kNoFrameIndex; i = table.record(i).next) found.push_back(i);
  return found;
}

TEST(FrameListTest, KeepsOrderThroughPushesAndRemovals) {
  FrameTable table(FrameNumber(1000));
  table.Touch(FrameNumber(0));
  FrameList list;
  list.PushHead(table, 2);
  list.PushHead(table, 1);
  list.PushTail(table, 3);
  list.PushTail(table, 4);
  EXPECT_EQ(Walk(table, list), (std::vector<FrameIndex>{1, 2, 3, 4}));
  list.Remove(table, 2);
  list.Remove(table, 4);
  EXPECT_EQ(Walk(table, list), (std::vector<FrameIndex>{1, 3}));
  EXPECT_EQ(list.tail(), 3u);
  list.Remove(table, 1);
  list.Remove(table, 3);
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.size(), 0u);
  list.PushTail(table, 9);
  EXPECT_EQ(list.head(), 9u);
}

TEST(FrameTableTest, SectionsAppearWhenTouchedAndKeepTheirNumbers) {
  FrameTable table(FrameNumber(uint64_t{1} << 34));
  const FrameNumber far(0x3ffff8123);
  EXPECT_FALSE(table.IsTouched(far));
  const FrameIndex index = table.Touch(far);
  EXPECT_TRUE(table.IsTouched(far));
  EXPECT_EQ(table.FrameOf(index), far);
  EXPECT_EQ(table.IndexOf(far), index);
  const FrameIndex near = table.Touch(FrameNumber(5));
  EXPECT_EQ(table.FrameOf(near), FrameNumber(5));
  EXPECT_EQ(table.Touch(far), index);
  EXPECT_EQ(table.TouchedSections(), (std::vector<FrameNumber>{FrameNumber(0x3ffff8000), FrameNumber(0)}));
}

TEST(FrameTableTest, BlocksHaveTypesAndMarksOfTheirOwn) {
  FrameTable table(FrameNumber(4096));
  const FrameIndex index = table.Touch(FrameNumber(700));
  EXPECT_EQ(table.block_type(index), Migratetype::kMovable);
  table.block_type(index) = Migratetype::kReclaimable;
  table.block_mark(index) = 1;
  EXPECT_EQ(table.block_type(table.IndexOf(FrameNumber(512))), Migratetype::kReclaimable);
  EXPECT_EQ(table.block_mark(table.IndexOf(FrameNumber(1023))), 1);
  EXPECT_EQ(table.block_type(table.IndexOf(FrameNumber(1024))), Migratetype::kMovable);
  EXPECT_EQ(table.block_mark(table.IndexOf(FrameNumber(511))), 0);
}

}  // namespace
}  // namespace dmfrag::model
