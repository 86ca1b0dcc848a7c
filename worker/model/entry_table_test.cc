#include "worker/model/entry_table.h"

#include "gtest/gtest.h"

namespace dmfrag::model {
namespace {

using Table = EntryTable<uint16_t>;

TEST(EntryTableTest, StartsAndFillsAlike) {
  Table table;
  EXPECT_TRUE(table.AllAlike());
  table.Set(7, 1);
  table.Fill(3);
  EXPECT_TRUE(table.AllAlike());
  EXPECT_EQ(table[511], 3);
}

TEST(EntryTableTest, OneDifferentEntryAnywhereIsSeen) {
  Table table;
  for (size_t i = 0; i < Table::kEntries; ++i) {
    table.Set(i, 1);
    EXPECT_FALSE(table.AllAlike()) << i;
    EXPECT_TRUE(table.CheckInvariants()) << i;
    table.Set(i, 0);
    EXPECT_TRUE(table.AllAlike()) << i;
  }
}

// What a count of entries equal to the first would not tell without a rescan.
TEST(EntryTableTest, BecomesAlikeAgainAtAnotherValue) {
  for (size_t last : {size_t{0}, size_t{255}, Table::kEntries - 1}) {
    Table table;
    for (size_t i = 0; i < Table::kEntries; ++i) {
      if (i == last) continue;
      table.Set(i, 9);
      EXPECT_FALSE(table.AllAlike());
    }
    table.Set(last, 9);
    EXPECT_TRUE(table.AllAlike()) << last;
    EXPECT_TRUE(table.CheckInvariants());
  }
}

TEST(EntryTableTest, WritingTheSameValueChangesNothing) {
  Table table;
  table.Set(100, 5);
  table.Set(100, 5);
  EXPECT_TRUE(table.CheckInvariants());
  EXPECT_FALSE(table.AllAlike());
}

}  // namespace
}  // namespace dmfrag::model
