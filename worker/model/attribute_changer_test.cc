#include "worker/model/attribute_changer.h"

#include <optional>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::model {
namespace {

constexpr EntryFlags kFlags = EntryFlags::PageKernel();
constexpr EntryFlags kPresent(EntryFlags::kPresent);
constexpr EntryFlags kWritable(EntryFlags::kWritable);
constexpr EntryFlags kPresentWritable(EntryFlags::kPresent | EntryFlags::kWritable);
constexpr FrameNumber k2MPage(512);     // first of 512 pages of 2M, up to 1 GiB
constexpr FrameNumber k1GPage(262144);  // first of two pages of 1G

// Table pages from a counter, as many as allowed.
class CountedTables : public TablePageSource {
 public:
  std::optional<FrameNumber> TakeTable(MapLevel level, FrameNumber first) override {
    if (left == 0) return std::nullopt;
    --left;
    taken.push_back({level, first});
    return FrameNumber(100000000 + taken.size());
  }
  void ReturnTable(FrameNumber) override { ++returned; }

  uint64_t left = ~uint64_t{0};
  int returned = 0;
  std::vector<std::pair<MapLevel, FrameNumber>> taken;
};

class AttributeChangerTest : public ::testing::Test {
 protected:
  AttributeChangerTest()
      : map_(DirectMap::Boot(*MemoryMap::Pc(uint64_t{3} << 30), {}, kFlags)),
        counters_(DirectMapCounters::Of(map_)),
        changer_(&map_, &counters_, &tables_, TlbFlushes(4)),
        boot_(counters_) {}

  static AttributeRequest Request(FrameNumber first, uint64_t pages) {
    AttributeRequest request;
    request.range = {first, first + FrameCount(pages)};
    return request;
  }
  CpaOutcome Clear(FrameNumber first, uint64_t pages, EntryFlags flags) {
    AttributeRequest request = Request(first, pages);
    request.clear = flags;
    return changer_.Change(request, events_);
  }
  CpaOutcome Set(FrameNumber first, uint64_t pages, EntryFlags flags) {
    AttributeRequest request = Request(first, pages);
    request.set = flags;
    return changer_.Change(request, events_);
  }
  CpaOutcome Force4K(FrameNumber first, uint64_t pages) {
    AttributeRequest request = Request(first, pages);
    request.force_4k = true;
    return changer_.Change(request, events_);
  }
  // set_memory_rox.
  CpaOutcome Rox(FrameNumber first, uint64_t pages) {
    AttributeRequest request = Request(first, pages);
    request.clear = EntryFlags(EntryFlags::kWritable | EntryFlags::kDirty | EntryFlags::kNoExecute);
    request.collapse = true;
    return changer_.Change(request, events_);
  }
  // 4k + 2M + 1G, in pages of 4K.
  static uint64_t Mapped(const DirectMapCounters& c) { return c.pages_4k + 512 * c.pages_2m + 262144 * c.pages_1g; }

  DirectMap map_;
  DirectMapCounters counters_;
  CountedTables tables_;
  AttributeChanger changer_;
  const DirectMapCounters boot_;
  EventCounters events_;
};

// Predictions of the domain notes, section 8, by their numbers.

TEST_F(AttributeChangerTest, Prediction01OnePageOfA1GPageSplitsTwice) {
  Clear(k1GPage + FrameCount(5), 1, kPresentWritable);
  EXPECT_EQ(counters_.level3_splits, 1);
  EXPECT_EQ(counters_.level2_splits, 1);
  EXPECT_EQ(static_cast<int64_t>(counters_.kib_1g() - boot_.kib_1g()), -1048576);
  EXPECT_EQ(counters_.kib_2m() - boot_.kib_2m(), 1046528);
  EXPECT_EQ(counters_.kib_4k() - boot_.kib_4k(), 2048);
  EXPECT_EQ(tables_.taken,
            (std::vector<std::pair<MapLevel, FrameNumber>>{{MapLevel::k1G, k1GPage}, {MapLevel::k2M, k1GPage}}));
}

TEST_F(AttributeChangerTest, Prediction02And03CountersObeyTheirAlgebra) {
  Clear(k1GPage + FrameCount(5), 2000, kWritable);
  Clear(k2MPage + FrameCount(3), 1, kPresentWritable);
  Rox(k1GPage, 4096);
  EXPECT_EQ(Mapped(counters_), Mapped(boot_));
  EXPECT_EQ(counters_.kib_4k() - boot_.kib_4k(), 2048 * (counters_.level2_splits - counters_.level2_collapses));
  EXPECT_EQ(boot_.kib_1g() - counters_.kib_1g(), 1048576 * counters_.level3_splits);
  EXPECT_GT(counters_.level2_splits, 0);
  EXPECT_OK(map_.CheckInvariants());
}

TEST_F(AttributeChangerTest, Prediction04PagesThatAre4KAlreadyChangeNoCounter) {
  Force4K(k2MPage, 512);
  const DirectMapCounters before = counters_;
  Clear(k2MPage + FrameCount(7), 3, kPresentWritable);
  Set(k2MPage + FrameCount(7), 3, kPresentWritable);
  Clear(k2MPage, 512, kWritable);
  EXPECT_EQ(counters_, before);
}

TEST_F(AttributeChangerTest, Prediction06EachLargePageSplitsOnce) {
  for (uint64_t i = 0; i < 512; ++i) Clear(k2MPage + FrameCount(i), 1, kPresentWritable);
  EXPECT_EQ(counters_.level2_splits, 1);
  for (uint64_t i = 0; i < 512; ++i) Clear(k1GPage + FrameCount(i * 512), 1, kPresentWritable);
  EXPECT_EQ(counters_.level2_splits, 1 + 512);
  EXPECT_EQ(counters_.level3_splits, 1);
}

TEST_F(AttributeChangerTest, Prediction07WholeLargePagesAreKeptByRangesAndSplitByArrays) {
  Clear(k2MPage, 512, kWritable);
  EXPECT_EQ(counters_.level2_splits, 0);
  Clear(k1GPage, 512, kWritable);
  EXPECT_EQ(counters_.level2_splits, 0);
  EXPECT_EQ(counters_.level3_splits, 1);
  AttributeRequest array = Request(k2MPage + FrameCount(512), 512);
  array.clear = kWritable;
  array.array = true;
  changer_.Change(array, events_);
  EXPECT_EQ(counters_.level2_splits, 1);
}

TEST_F(AttributeChangerTest, AWhole1GPageIsKept) {
  Clear(k1GPage, 262144, kWritable);
  EXPECT_EQ(counters_.level3_splits, 0);
  EXPECT_EQ(events_.entries_written, 1);
}

TEST_F(AttributeChangerTest, Prediction08ChangingNothingSplitsAndFlushesNothing) {
  Set(k1GPage + FrameCount(5), 1, kPresentWritable);
  Set(k2MPage + FrameCount(5), 777, kPresentWritable);
  EXPECT_EQ(counters_, boot_);
  EXPECT_EQ(events_.flushes_all + events_.flushes_range + events_.entries_written, 0);
  EXPECT_EQ(events_.cpa_requests, 2);
}

TEST_F(AttributeChangerTest, Prediction09SetMemory4KSplitsOnce) {
  Force4K(k2MPage, 512);
  EXPECT_EQ(counters_.level2_splits, 1);
  Force4K(k2MPage, 512);
  EXPECT_EQ(counters_.level2_splits, 1);
  Force4K(k1GPage, 512);
  EXPECT_EQ(counters_.level2_splits, 2);
  EXPECT_EQ(counters_.level3_splits, 1);
}

TEST_F(AttributeChangerTest, Prediction10NotPresentIsAnAttributeLikeAnyOther) {
  Clear(k2MPage, 512, kPresent);
  Set(k2MPage, 512, kPresent);
  EXPECT_EQ(counters_.level2_splits, 0);
  Clear(k2MPage, 512, kPresent);
  Set(k2MPage + FrameCount(9), 1, kPresent);
  EXPECT_EQ(counters_.level2_splits, 1);
  EXPECT_FALSE(map_.Lookup(k2MPage)->flags.Has(EntryFlags::kPresent));
  EXPECT_TRUE(map_.Lookup(k2MPage + FrameCount(9))->flags.Has(EntryFlags::kPresent));
}

TEST_F(AttributeChangerTest, Prediction11EverySplitTakesATableAndFlushesAll) {
  AttributeRequest request = Request(k1GPage + FrameCount(100), 1000);
  request.clear = kPresentWritable;
  request.flush = false;
  changer_.Change(request, events_);
  EXPECT_EQ(events_.splits_1g, 1);
  EXPECT_EQ(events_.splits_2m, 2);  // both ends; the 2M page between is covered whole
  EXPECT_EQ(events_.table_pages, 3);
  EXPECT_EQ(events_.flushes_all, 3);
  EXPECT_EQ(events_.flushes_range, 0);
  EXPECT_EQ(events_.flush_ipis, 9);
}

TEST_F(AttributeChangerTest, Prediction12RangesFlushPageByPageUpTo33Pages) {
  Force4K(k2MPage, 512);
  const int64_t after_split = events_.flushes_all;
  Clear(k2MPage, 33, kWritable);
  EXPECT_EQ(events_.flushes_range, 1);
  EXPECT_EQ(events_.flushes_all, after_split);
  Clear(k2MPage + FrameCount(100), 34, kWritable);
  EXPECT_EQ(events_.flushes_range, 1);
  EXPECT_EQ(events_.flushes_all, after_split + 1);
}

TEST_F(AttributeChangerTest, Prediction13OutOfMemoryAtASplitLeavesTheRestAlone) {
  tables_.left = 1;
  // Half a 2M page, a whole one, and half of a third: the first split finds memory, the second does not.
  EXPECT_EQ(Clear(k2MPage + FrameCount(256), 256 + 512 + 256, kWritable), CpaOutcome::kNoMemory);
  EXPECT_EQ(events_.split_enomem, 1);
  EXPECT_FALSE(map_.Lookup(k2MPage + FrameCount(256))->flags.Has(EntryFlags::kWritable));
  EXPECT_FALSE(map_.Lookup(k2MPage + FrameCount(512))->flags.Has(EntryFlags::kWritable));
  EXPECT_EQ(map_.Lookup(k2MPage + FrameCount(1024))->level, MapLevel::k2M);
  EXPECT_EQ(map_.Lookup(k2MPage + FrameCount(1024))->flags, kFlags);
  EXPECT_EQ(counters_.level2_splits, 1);
  EXPECT_EQ(Mapped(counters_), Mapped(boot_));
  EXPECT_EQ(events_.flushes_all, 2);  // the split's, and one for what was changed
  // Restoring needs no memory for what was split.
  EXPECT_EQ(Set(k2MPage + FrameCount(256), 256 + 512, kWritable), CpaOutcome::kDone);
}

TEST_F(AttributeChangerTest, FailingAtTheFirstSplitOfA1GPageKeepsIt) {
  tables_.left = 0;
  EXPECT_EQ(Clear(k1GPage + FrameCount(5), 1, kPresentWritable), CpaOutcome::kNoMemory);
  EXPECT_EQ(counters_, boot_);
  EXPECT_EQ(events_.flushes_all, 0);
}

// Prediction 15, and what captures of 7.3 show.
TEST_F(AttributeChangerTest, APageOnceNotPresentLosesGlobalAndKeepsItsBlockFromCollapsing) {
  Clear(k2MPage + FrameCount(3), 1, kPresentWritable);
  Set(k2MPage + FrameCount(3), 1, kPresentWritable);
  EXPECT_FALSE(map_.Lookup(k2MPage + FrameCount(3))->flags.Has(EntryFlags::kGlobal));
  EXPECT_TRUE(map_.Lookup(k2MPage)->flags.Has(EntryFlags::kGlobal));
  Rox(k2MPage, 512);
  EXPECT_EQ(counters_.level2_collapses, 0);
  for (uint64_t i = 0; i < 512; ++i) Clear(k2MPage + FrameCount(i), 1, kPresent);
  for (uint64_t i = 0; i < 512; ++i) Set(k2MPage + FrameCount(i), 1, kPresentWritable);
  Rox(k2MPage, 512);
  EXPECT_EQ(counters_.level2_collapses, 1);
}

TEST_F(AttributeChangerTest, RoxCollapsesUniformBlocksAndGivesTheirTablesBack) {
  Rox(k2MPage + FrameCount(10), 20);
  EXPECT_EQ(counters_.level2_splits, 1);
  EXPECT_EQ(counters_.level2_collapses, 0);
  Rox(k2MPage, 512);
  EXPECT_EQ(counters_.level2_collapses, 1);
  EXPECT_EQ(counters_, [&] {
    DirectMapCounters expected = boot_;
    expected.level2_splits = 1;
    expected.level2_collapses = 1;
    return expected;
  }());
  EXPECT_EQ(tables_.returned, 1);
  EXPECT_EQ(events_.collapses_2m, 1);
}

TEST_F(AttributeChangerTest, OtherCallsNeverCollapse) {
  Clear(k2MPage + FrameCount(10), 20, kWritable);
  Clear(k2MPage, 512, kWritable);
  Set(k2MPage, 512, kWritable);
  EXPECT_EQ(counters_.level2_collapses, 0);
  EXPECT_EQ(map_.counts().pages_4k, boot_.pages_4k + 512);
}

TEST_F(AttributeChangerTest, PagesMarked4KOnPurposeDoNotCollapse) {
  AttributeRequest request = Request(k2MPage, 512);
  request.set = EntryFlags(EntryFlags::kKernel4K);
  request.force_4k = true;
  changer_.Change(request, events_);
  Rox(k2MPage, 512);
  EXPECT_EQ(counters_.level2_collapses, 0);
}

TEST_F(AttributeChangerTest, ACompleteGibCollapsesTo1G) {
  Rox(k1GPage + FrameCount(5), 1);
  Rox(k1GPage, 262144);
  EXPECT_EQ(counters_.level2_collapses, 1);
  EXPECT_EQ(counters_.level3_collapses, 1);
  EXPECT_EQ(map_.counts().pages_1g, boot_.pages_1g);
  EXPECT_EQ(tables_.returned, 2);
}

TEST_F(AttributeChangerTest, HolesAreSkipped) {
  EXPECT_EQ(Clear(FrameNumber(786432 - 100), 100000, kWritable), CpaOutcome::kDone);
  EXPECT_EQ(counters_.level2_splits, 1);
  EXPECT_EQ(Clear(FrameNumber(uint64_t{1} << 34), 1, kWritable), CpaOutcome::kDone);
}

TEST_F(AttributeChangerTest, EmptyMasksAreNoRequest) {
  EXPECT_EQ(changer_.Change(Request(k1GPage + FrameCount(1), 1), events_), CpaOutcome::kDone);
  EXPECT_EQ(counters_, boot_);
}

TEST(DirectMapCountersTest, ASplitOfACountThatIsZeroMovesNoPages) {
  DirectMapCounters counters;
  counters.pages_4k = 5;
  counters.OnSplit(MapLevel::k2M);
  EXPECT_EQ(counters.level2_splits, 1);
  EXPECT_EQ(counters.pages_4k, 5);
  EXPECT_EQ(counters.pages_2m, 0);
}

}  // namespace
}  // namespace dmfrag::model
