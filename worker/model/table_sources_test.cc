#include "worker/model/table_sources.h"

#include <set>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::model {
namespace {

constexpr uint64_t kGib = uint64_t{1} << 30;

class TableSourcesTest : public ::testing::Test {
 protected:
  TableSourcesTest() : memory_(*MemoryMap::Pc(2 * kGib)), allocator_(memory_, 1, {}) {}
  ~TableSourcesTest() override { EXPECT_OK(allocator_.CheckInvariants()); }

  std::unique_ptr<TablePageSource> Make(TableSourceKind kind) { return MakeTableSource(kind, memory_, &allocator_); }
  static FrameNumber Take(TablePageSource& source) { return *source.TakeTable(MapLevel::k2M, FrameNumber(0)); }
  uint64_t Allocated() const { return allocator_.allocated_frames().raw(); }

  MemoryMap memory_;
  PageAllocator allocator_;
};

TEST_F(TableSourcesTest, BuddyTakesTheNeighbourOfThePageBefore) {
  const auto source = Make(TableSourceKind::kBuddy);
  const FrameNumber page = *allocator_.Allocate(Order(0), Migratetype::kUnmovable);
  EXPECT_EQ(Take(*source), page + FrameCount(1));
  source->ReturnTable(page + FrameCount(1));
  EXPECT_EQ(Allocated(), 1u);
}

TEST_F(TableSourcesTest, GroupedFillsOneBlockAfterTheOther) {
  const auto source = Make(TableSourceKind::kGrouped);
  EXPECT_EQ(Allocated(), 0u);
  std::set<FrameNumber> blocks;
  std::set<FrameNumber> tables;
  for (int i = 0; i < 513; ++i) {
    const FrameNumber table = Take(*source);
    EXPECT_TRUE(tables.insert(table).second);
    blocks.insert(table.AlignedDown(kFramesPer2M));
  }
  EXPECT_EQ(blocks.size(), 2u);
  EXPECT_EQ(Allocated(), 1024u);
  const FrameNumber page = *allocator_.Allocate(Order(0), Migratetype::kUnmovable);
  EXPECT_FALSE(blocks.contains(page.AlignedDown(kFramesPer2M))) << "nobody else lives there";
  source->ReturnTable(*tables.begin());
  EXPECT_EQ(Take(*source), *tables.begin());
}

TEST_F(TableSourcesTest, TheReserveIsEnoughForEverySplit) {
  const auto source = Make(TableSourceKind::kBootReserve);
  // [0, 640 KiB) and [1 MiB, 2 GiB) touch 1 + 1024 blocks of 2M and 1 + 2 GiB: 1,028 tables, in whole blocks of 512.
  EXPECT_EQ(Allocated(), 1536u);
  for (int i = 0; i < 1028; ++i) Take(*source);
  EXPECT_EQ(Allocated(), 1536u);
}

TEST_F(TableSourcesTest, WithoutWholeBlocksSinglePagesAreTaken) {
  while (allocator_.Allocate(kPageblockOrder, Migratetype::kUnmovable).has_value()) {
  }
  const auto source = Make(TableSourceKind::kBootReserve);
  const uint64_t before = Allocated();
  EXPECT_TRUE(source->TakeTable(MapLevel::k2M, FrameNumber(0)).has_value());
  EXPECT_EQ(Allocated(), before + 1);
}

}  // namespace
}  // namespace dmfrag::model
