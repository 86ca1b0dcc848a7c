#include "worker/experiment/object_table.h"

#include "gtest/gtest.h"

namespace dmfrag::experiment {
namespace {

using model::FrameNumber;

TEST(ObjectTableTest, KeepsBlocksInTheOrderTheyCame) {
  ObjectTable table(2);
  const ObjectTable::Slot slot = table.Add(1, 7, false);
  EXPECT_EQ(table.AddBlock(slot, FrameNumber(30)), 0);
  EXPECT_EQ(table.AddBlock(slot, FrameNumber(20)), 1);
  table.ReplaceBlock(slot, 0, FrameNumber(40));
  EXPECT_EQ(table.Find(1, 7), slot);
  EXPECT_EQ(table.user(slot), 1);
  EXPECT_EQ(table.blocks(slot), (std::vector{FrameNumber(40), FrameNumber(20)}));
  EXPECT_FALSE(table.OldestOfPageCache().has_value());
  table.Remove(1, 7);
  EXPECT_TRUE(table.blocks(table.Add(0, 7, false)).empty());
}

TEST(ObjectTableTest, ThePageCacheIsDroppedOldestFirst) {
  ObjectTable table(1);
  const ObjectTable::Slot old = table.Add(0, 1, true);
  const ObjectTable::Slot other = table.Add(0, 2, false);
  const ObjectTable::Slot young = table.Add(0, 3, true);
  EXPECT_FALSE(table.OldestOfPageCache().has_value());  // nobody has a page yet
  for (uint64_t page : {10, 11}) table.AddBlock(old, FrameNumber(page));
  table.AddBlock(other, FrameNumber(20));
  table.AddBlock(young, FrameNumber(30));
  EXPECT_EQ(table.OldestOfPageCache(), old);
  EXPECT_EQ(table.DropFirstBlock(old), FrameNumber(10));
  EXPECT_EQ(table.first_block(old), 1);
  EXPECT_EQ(table.DropFirstBlock(old), FrameNumber(11));
  EXPECT_EQ(table.OldestOfPageCache(), young);
  // An object that lost all it had and gets more is the youngest.
  table.AddBlock(old, FrameNumber(12));
  EXPECT_EQ(table.DropFirstBlock(young), FrameNumber(30));
  EXPECT_EQ(table.OldestOfPageCache(), old);
  table.Remove(0, 3);
  table.Remove(0, 1);
  EXPECT_FALSE(table.OldestOfPageCache().has_value());
}

}  // namespace
}  // namespace dmfrag::experiment
