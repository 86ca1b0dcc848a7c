#include "worker/experiment/object_table.h"

#include "gtest/gtest.h"

namespace dmfrag::experiment {
namespace {

using model::FrameNumber;

TEST(ObjectTableTest, KeepsBlocksInTheOrderTheyCame) {
  ObjectTable table(2);
  const ObjectTable::Slot slot = table.Add(1, 7, CacheList::kNone);
  EXPECT_EQ(table.AddBlock(slot, FrameNumber(30)), 0);
  EXPECT_EQ(table.AddBlock(slot, FrameNumber(20)), 1);
  table.ReplaceBlock(slot, 0, FrameNumber(40));
  EXPECT_EQ(table.Find(1, 7), slot);
  EXPECT_EQ(table.user(slot), 1);
  EXPECT_EQ(table.blocks(slot), (std::vector{FrameNumber(40), FrameNumber(20)}));
  EXPECT_FALSE(table.OldestOfPageCache().has_value());
  table.Remove(1, 7);
  EXPECT_TRUE(table.blocks(table.Add(0, 7, CacheList::kNone)).empty());
}

TEST(ObjectTableTest, ThePageCacheIsDroppedOldestFirst) {
  ObjectTable table(1);
  const ObjectTable::Slot old = table.Add(0, 1, CacheList::kInactive);
  const ObjectTable::Slot other = table.Add(0, 2, CacheList::kNone);
  const ObjectTable::Slot young = table.Add(0, 3, CacheList::kInactive);
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

TEST(ObjectTableTest, FilesThatWereReadAgainGoAfterAllOthers) {
  ObjectTable table(1);
  const ObjectTable::Slot read_again = table.Add(0, 1, CacheList::kActive);
  const ObjectTable::Slot read_once = table.Add(0, 2, CacheList::kInactive);
  table.AddBlock(read_again, FrameNumber(10));
  table.AddBlock(read_once, FrameNumber(20));
  EXPECT_EQ(table.OldestOfPageCache(), read_once);
  table.DropFirstBlock(read_once);
  EXPECT_EQ(table.OldestOfPageCache(), read_again);
}

TEST(ObjectTableTest, ACompleteFileIsForgottenWithItsLastPage) {
  ObjectTable table(1);
  const ObjectTable::Slot whole = table.Add(0, 1, CacheList::kInactive);
  table.AddBlock(whole, FrameNumber(10));
  table.Complete(whole);
  const ObjectTable::Slot incomplete = table.Add(0, 2, CacheList::kInactive);
  table.AddBlock(incomplete, FrameNumber(20));
  table.DropFirstBlock(whole);
  EXPECT_FALSE(table.Contains(0, 1));
  table.DropFirstBlock(incomplete);
  EXPECT_TRUE(table.Contains(0, 2));
  table.Complete(incomplete);
  EXPECT_FALSE(table.Contains(0, 2));
}

}  // namespace
}  // namespace dmfrag::experiment
