#include "worker/model/entry_flags.h"

#include <initializer_list>

#include "gtest/gtest.h"

namespace dmfrag::model {
namespace {

TEST(EntryFlagsTest, KeepsWhatDumpsShowAtEverySize) {
  for (uint64_t value :
       std::initializer_list<uint64_t>{0x8000000000000103, 0x101, 0x8000000000000000, 0x903, 0x8000000000000113}) {
    EXPECT_EQ(EntryFlags::FromX86(value, MapLevel::k4K).ToX86(MapLevel::k4K), value);
  }
  for (uint64_t value :
       std::initializer_list<uint64_t>{0x8000000000000183, 0x8000000000000193, 0x8000000000000002, 0x1183}) {
    EXPECT_EQ(EntryFlags::FromX86(value, MapLevel::k2M).ToX86(MapLevel::k2M), value);
  }
}

TEST(EntryFlagsTest, LargeAndSmallEntriesOfOneKindHaveEqualFlags) {
  EXPECT_EQ(EntryFlags::FromX86(0x8000000000000183, MapLevel::k1G),
            EntryFlags::FromX86(0x8000000000000103, MapLevel::k4K));
  // PAT stands elsewhere in a large entry.
  EXPECT_EQ(EntryFlags::FromX86(0x1083, MapLevel::k2M), EntryFlags::FromX86(0x83, MapLevel::k4K));
}

TEST(EntryFlagsTest, DropsAccessedAndAddress) {
  EXPECT_EQ(EntryFlags::FromX86(0x000ffffffffff023, MapLevel::k4K), EntryFlags::FromX86(0x3, MapLevel::k4K));
}

TEST(EntryFlagsTest, WithAndWithoutAreSetOperations) {
  const EntryFlags writable(EntryFlags::kPresent | EntryFlags::kWritable);
  EXPECT_EQ(writable.Without(EntryFlags(EntryFlags::kWritable)), EntryFlags(EntryFlags::kPresent));
  EXPECT_EQ(EntryFlags(EntryFlags::kPresent).With(EntryFlags(EntryFlags::kWritable)), writable);
  EXPECT_TRUE(EntryFlags().empty());
  EXPECT_FALSE(writable.Has(EntryFlags::kNoExecute));
}

}  // namespace
}  // namespace dmfrag::model
