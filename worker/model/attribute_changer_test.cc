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

// There is no table, although somebody gave up a page, whose attributes he changed before.
class ReclaimedTables : public CountedTables {
 public:
  std::optional<FrameNumber> TakeTable(MapLevel, FrameNumber) override {
    EXPECT_EQ(changer->Change(request, *account), CpaOutcome::kDone);
    return std::nullopt;
  }
  AttributeChanger* changer = nullptr;
  AttributeRequest request;
  EventCounters* account = nullptr;
};

class AttributeChangerTest : public ::testing::Test {
 protected:
  AttributeChangerTest()
      : map_(DirectMap::Boot(*MemoryMap::Pc(uint64_t{3} << 30), {}, kFlags)),
        counters_(DirectMapCounters::Of(map_)),
        changer_(&map_, &counters_, &tables_, TlbFlushes(4), CpaRules::Of(KernelRelease::k6_16)),
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

// What follows from the kernel's source in numbers stands in tests/oracle/predictions_test.cc; here, what the parts do.

TEST_F(AttributeChangerTest, TablesAreAskedForFromTheTopDown) {
  Clear(k1GPage + FrameCount(5), 1, kPresentWritable);
  EXPECT_EQ(tables_.taken,
            (std::vector<std::pair<MapLevel, FrameNumber>>{{MapLevel::k1G, k1GPage}, {MapLevel::k2M, k1GPage}}));
}

TEST_F(AttributeChangerTest, AWhole1GPageIsKept) {
  Clear(k1GPage, 262144, kWritable);
  EXPECT_EQ(counters_.level3_splits, 0);
  EXPECT_EQ(events_.entries_written, 1);
}

TEST_F(AttributeChangerTest, FailingAtTheFirstSplitOfA1GPageKeepsIt) {
  tables_.left = 0;
  EXPECT_EQ(Clear(k1GPage + FrameCount(5), 1, kPresentWritable), CpaOutcome::kNoMemory);
  EXPECT_EQ(counters_, boot_);
  EXPECT_EQ(events_.flushes_all, 0);
}

// As captures of 7.3 show.
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

TEST_F(AttributeChangerTest, BlocksThatAreNotPresentDoNotCollapse) {
  for (uint64_t i = 0; i < 512; ++i) Clear(k2MPage + FrameCount(i), 1, kPresentWritable);
  EXPECT_TRUE(map_.UniformFlags(k2MPage, MapLevel::k2M).has_value());
  Rox(k2MPage, 512);
  EXPECT_TRUE(map_.UniformFlags(k2MPage, MapLevel::k2M).has_value());
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

// Requests on a vmalloc area of 1024 pages over frames of a 2M-mapped block and the next.
class AliasTest : public AttributeChangerTest {
 protected:
  static constexpr VirtualPage kArea{0xffffffffc0200};
  static constexpr EntryFlags kRoxClear{EntryFlags::kWritable | EntryFlags::kDirty | EntryFlags::kNoExecute};

  void MapSinglePages() {
    for (uint64_t i = 0; i < 1024; ++i) area_.Map4K(kArea + FrameCount(i), k2MPage + FrameCount(i), kFlags);
  }
  void MapLargePages() {
    area_.Map2M(kArea, k2MPage, kFlags);
    area_.Map2M(kArea + kFramesPer2M, k2MPage + kFramesPer2M, kFlags);
  }
  CpaOutcome ChangeArea(uint64_t first, uint64_t pages, EntryFlags clear, bool collapse = false) {
    VirtualAttributeRequest request;
    request.range = {kArea + FrameCount(first), kArea + FrameCount(first + pages)};
    request.clear = clear;
    request.collapse = collapse;
    return changer_.Change(area_, request, events_);
  }

  VirtualMap area_{VirtualMap::Kind::kVmalloc};
};

class RequestLog : public CpaObserver {
 public:
  void OnRequest(const AttributeRequest& request) override { requests.push_back(request); }
  void OnSplit(MapLevel level, FrameNumber first) override { splits.push_back({level, first}); }
  void OnCollapse(MapLevel level, FrameNumber first) override { collapses.push_back({level, first}); }
  std::vector<AttributeRequest> requests;
  std::vector<std::pair<MapLevel, FrameNumber>> splits;
  std::vector<std::pair<MapLevel, FrameNumber>> collapses;
};

TEST_F(AliasTest, SinglePagesAskTheDirectMapForOnePageEach) {
  MapSinglePages();
  RequestLog log;
  changer_.Observe(&log);
  EXPECT_EQ(ChangeArea(0, 512, kRoxClear), CpaOutcome::kDone);
  ASSERT_EQ(log.requests.size(), 512u);
  for (uint64_t i = 0; i < 512; ++i) {
    EXPECT_EQ(log.requests[i].range, (FrameRange{k2MPage + FrameCount(i), k2MPage + FrameCount(i + 1)}));
    EXPECT_EQ(log.requests[i].clear, EntryFlags(EntryFlags::kWritable | EntryFlags::kDirty)) << "NX is left out";
  }
  // All 512 pages of the block are changed, and yet it is split at the first.
  EXPECT_EQ(log.splits, (std::vector<std::pair<MapLevel, FrameNumber>>{{MapLevel::k2M, k2MPage}}));
  EXPECT_TRUE(map_.Lookup(k2MPage)->flags.Has(EntryFlags::kNoExecute));
  EXPECT_FALSE(area_.Lookup(kArea)->flags.Has(EntryFlags::kNoExecute));
  EXPECT_EQ(events_.flushes_all, 2) << "the split, and the end: an alias forces a full flush";
  EXPECT_EQ(events_.flushes_range, 0);
}

TEST_F(AliasTest, AnAliasForcesAFullFlushHoweverShortTheRange) {
  MapSinglePages();
  Force4K(k2MPage, 512);
  const int64_t before = events_.flushes_all;
  EXPECT_EQ(ChangeArea(0, 1, kWritable), CpaOutcome::kDone);
  EXPECT_EQ(events_.flushes_all, before + 1);
  EXPECT_EQ(events_.flushes_range, 0);
}

TEST_F(AliasTest, AWholeLargePageAsksForAllOfIt) {
  MapLargePages();
  RequestLog log;
  changer_.Observe(&log);
  EXPECT_EQ(ChangeArea(0, 1024, kRoxClear), CpaOutcome::kDone);
  ASSERT_EQ(log.requests.size(), 2u);
  EXPECT_EQ(log.requests[1].range, (FrameRange{k2MPage + kFramesPer2M, k2MPage + FrameCount(1024)}));
  EXPECT_TRUE(log.splits.empty());
  EXPECT_EQ(events_.splits_2m, 0);
  EXPECT_EQ(events_.vmalloc_splits_2m, 0);
}

TEST_F(AliasTest, APartOfALargePageSplitsBothSidesAndCollapseMendsOne) {
  MapLargePages();
  EXPECT_EQ(ChangeArea(0, 512, kRoxClear), CpaOutcome::kDone);
  VirtualAttributeRequest writable;
  writable.range = {kArea, kArea + FrameCount(3)};
  writable.set = EntryFlags(EntryFlags::kWritable | EntryFlags::kDirty | EntryFlags::kNoExecute);
  EXPECT_EQ(changer_.Change(area_, writable, events_), CpaOutcome::kDone);
  EXPECT_EQ(events_.vmalloc_splits_2m, 1);
  EXPECT_EQ(events_.splits_2m, 1);
  EXPECT_EQ(counters_.level2_splits, 1u) << "a split of a vmalloc mapping is counted nowhere";
  EXPECT_EQ(ChangeArea(0, 3, kRoxClear, /*collapse=*/true), CpaOutcome::kDone);
  EXPECT_EQ(events_.vmalloc_collapses_2m, 1);
  EXPECT_EQ(area_.Lookup(kArea)->level, MapLevel::k2M);
  EXPECT_EQ(map_.Lookup(k2MPage)->level, MapLevel::k4K) << "the direct map is not looked at";
  EXPECT_EQ(events_.collapses_2m, 0);
  EXPECT_EQ(tables_.returned, 1);
}

TEST_F(AliasTest, ARequestForNxAloneIsPassedOnWithNothingToChange) {
  MapSinglePages();
  RequestLog log;
  changer_.Observe(&log);
  EXPECT_EQ(ChangeArea(0, 2, EntryFlags(EntryFlags::kNoExecute)), CpaOutcome::kDone);
  ASSERT_EQ(log.requests.size(), 2u);
  EXPECT_TRUE(log.requests[0].clear.empty());
  EXPECT_TRUE(log.splits.empty());
  AttributeChanger old(&map_, &counters_, &tables_, TlbFlushes(4), CpaRules::Of(KernelRelease::k6_1));
  RequestLog old_log;
  old.Observe(&old_log);
  VirtualAttributeRequest request;
  request.range = {kArea, kArea + FrameCount(2)};
  request.set = EntryFlags(EntryFlags::kNoExecute);
  old.Change(area_, request, events_);
  EXPECT_TRUE(old_log.requests.empty()) << "6.1 does not ask";
}

TEST(CpaRulesTest, EachReleaseHasItsOwn) {
  using enum KernelRelease;
  for (KernelRelease release : {k6_1, k6_12, k6_16, k6_18, k7_3}) {
    const CpaRules rules = CpaRules::Of(release);
    EXPECT_EQ(rules.skip_alias_of_nx, release == k6_1);
    EXPECT_EQ(rules.collapse, release >= k6_16 ? CollapseDesign::kOnRox : CollapseDesign::kNever);
    EXPECT_FALSE(rules.restore_global || rules.restore_dirty) << "what-if switches";
  }
}

TEST_F(AliasTest, NoCheckAliasLeavesTheDirectMapAlone) {
  MapSinglePages();
  VirtualAttributeRequest request;
  request.range = {kArea, kArea + FrameCount(2)};
  request.clear = kPresentWritable;
  request.check_alias = false;
  EXPECT_EQ(changer_.Change(area_, request, events_), CpaOutcome::kDone);
  EXPECT_EQ(map_.Lookup(k2MPage)->flags, kFlags);
  EXPECT_FALSE(area_.Lookup(kArea)->flags.Has(EntryFlags::kPresent));
  EXPECT_EQ(events_.flushes_range, 1);
}

TEST_F(AliasTest, EnomemAtTheAliasEndsTheRequest) {
  MapSinglePages();
  tables_.left = 0;
  EXPECT_EQ(ChangeArea(0, 4, kWritable), CpaOutcome::kNoMemory);
  EXPECT_EQ(map_.Lookup(k2MPage)->flags, kFlags);
  EXPECT_TRUE(area_.Lookup(kArea + FrameCount(1))->flags.Has(EntryFlags::kWritable)) << "the rest is as it was";
  EXPECT_EQ(events_.split_enomem, 1);
}

TEST_F(AliasTest, TheKernelImageIsTheSecondAliasAndCountsAsIfItWereTheDirectMap) {
  VirtualMap image(VirtualMap::Kind::kKernelImage);
  constexpr VirtualPage kText{0xffffffff81000};
  image.Map2M(kText, k2MPage, kFlags);
  changer_.AliasKernelImage(&image, kText, {k2MPage, k2MPage + kFramesPer2M});
  counters_.system_running = false;
  EXPECT_EQ(Clear(k2MPage + FrameCount(7), 1, kWritable), CpaOutcome::kDone);
  EXPECT_EQ(image.Lookup(kText)->level, MapLevel::k4K);
  EXPECT_FALSE(image.Lookup(kText + FrameCount(7))->flags.Has(EntryFlags::kWritable));
  EXPECT_EQ(counters_.pages_2m, boot_.pages_2m - 2) << "one in the direct map, one in the image";
  EXPECT_EQ(counters_.level2_splits, 0u) << "not counted before SYSTEM_RUNNING";
  EXPECT_EQ(Mapped(counters_), Mapped(boot_));
}

TEST_F(AliasTest, TheImageIsAskedForEachPartThatTheDirectMapWasChangedIn) {
  VirtualMap image(VirtualMap::Kind::kKernelImage);
  constexpr VirtualPage kText{0xffffffff81000};
  image.Map2M(kText, k2MPage, kFlags);
  changer_.AliasKernelImage(&image, kText, {k2MPage, k2MPage + kFramesPer2M});
  Clear(k2MPage, 512, kWritable);
  EXPECT_EQ(image.Lookup(kText)->level, MapLevel::k2M) << "one 2M entry on both sides";
  Force4K(k2MPage + kFramesPer2M, 1);
  Set(k2MPage, 512, kWritable);
  AttributeRequest alone = Request(k2MPage + FrameCount(5), 1);
  alone.clear = kWritable;
  alone.check_alias = false;
  changer_.Change(alone, events_);  // splits the direct map, not the image
  EXPECT_EQ(image.Lookup(kText)->level, MapLevel::k2M);
  Clear(k2MPage, 512, kWritable);
  EXPECT_EQ(image.Lookup(kText)->level, MapLevel::k4K) << "512 pages of 4K ask for one page each";
}

TEST_F(AliasTest, AMappingOfSinglePagesHasNoTableToGiveBack) {
  for (uint64_t i = 0; i < 512; ++i) area_.Map4K(kArea + FrameCount(i), k2MPage + FrameCount(i), kFlags);
  EXPECT_EQ(ChangeArea(0, 512, kRoxClear, /*collapse=*/true), CpaOutcome::kDone);
  EXPECT_EQ(events_.vmalloc_collapses_2m, 1);
  EXPECT_EQ(tables_.returned, 0) << "no split took it";
}

TEST_F(AttributeChangerTest, ANewMemoryTypeFlushesTheDataCachesAndWbDoesNot) {
  EXPECT_EQ(Set(k2MPage, 3, EntryFlags(EntryFlags::kCacheDisable)), CpaOutcome::kDone);
  EXPECT_EQ(events_.cache_flush_pages, 3);
  EXPECT_EQ(Clear(k2MPage, 3, EntryFlags(EntryFlags::kCacheDisable)), CpaOutcome::kDone);
  EXPECT_EQ(events_.cache_flush_pages, 3);
  AttributeChanger old(&map_, &counters_, &tables_, TlbFlushes(4), {.clflush = false});
  AttributeRequest request = Request(k2MPage, 3);
  request.set = EntryFlags(EntryFlags::kCacheDisable);
  const int64_t flushes = events_.flushes_all;
  old.Change(request, events_);
  EXPECT_EQ(events_.cache_flushes_all, 1);
  EXPECT_EQ(events_.cache_flush_pages, 3);
  EXPECT_EQ(events_.flushes_all, flushes + 1) << "together with all of the TLB, however short the range";
}

TEST_F(AttributeChangerTest, OnlyPresentPagesAreFlushedFromTheDataCaches) {
  Clear(k2MPage + FrameCount(1), 1, kPresentWritable);
  Set(k2MPage, 3, EntryFlags(EntryFlags::kCacheDisable));
  EXPECT_EQ(events_.cache_flush_pages, 2);
  // The hole between 3 and 4 GiB begins 100 pages further on.
  Set(FrameNumber(786432 - 100), 200, EntryFlags(EntryFlags::kCacheDisable));
  EXPECT_EQ(events_.cache_flush_pages, 2 + 100);
}

TEST_F(AttributeChangerTest, AMemoryTypeThatFoundNoMemoryWritesBackEveryCache) {
  tables_.left = 1;
  EXPECT_EQ(Set(k2MPage + FrameCount(500), 1000, EntryFlags(EntryFlags::kCacheDisable)), CpaOutcome::kNoMemory);
  EXPECT_EQ(events_.cache_flushes_all, 1);
  EXPECT_EQ(events_.cache_flush_pages, 0);
}

TEST_F(AttributeChangerTest, StatsCountWhatBecameOfLargePages) {
  Clear(k1GPage, 262144, kWritable);  // a whole 1G page
  Clear(k1GPage, 512, kWritable);     // nothing to do
  Set(k1GPage, 512, kWritable);       // splits it, and changes a whole 2M page
  Clear(k1GPage, 2, kWritable);       // splits that, and writes two
  Clear(k1GPage, 3, kWritable);       // writes one more
  const CpaStats& stats = changer_.stats();
  EXPECT_EQ(stats.gib, (CpaStats::Level{.checked = 3, .sameprot = 1, .preserved = 1}));
  EXPECT_EQ(stats.pmd, (CpaStats::Level{.checked = 2, .sameprot = 0, .preserved = 1}));
  EXPECT_EQ(stats.pages_4k_set, 2u + 3u) << "met, written or not";
}

// The designs of 2022: each round trip below leaves all 512 entries alike but for what the trap says.
class CollapseDesignTest : public AttributeChangerTest {
 protected:
  // One page not present and back, then one read-only and back; the level the block has after each.
  std::pair<MapLevel, MapLevel> RoundTrips(const CpaRules& rules) {
    AttributeChanger changer(&map_, &counters_, &tables_, TlbFlushes(4), rules);
    const auto change = [&](FrameNumber page, EntryFlags set, EntryFlags clear) {
      AttributeRequest request = Request(page, 1);
      request.set = set;
      request.clear = clear;
      changer.Change(request, events_);
    };
    change(k2MPage, {}, kPresentWritable);
    change(k2MPage, kPresentWritable, {});
    const FrameNumber other = k2MPage + kFramesPer2M;
    change(other, {}, EntryFlags(EntryFlags::kWritable | EntryFlags::kDirty));
    change(other, kWritable, {});
    return {map_.Lookup(k2MPage)->level, map_.Lookup(other)->level};
  }
};

TEST_F(CollapseDesignTest, AutomaticCollapseFallsIntoBothTraps) {
  EXPECT_EQ(RoundTrips({.collapse = CollapseDesign::kWhenUniform}), std::pair(MapLevel::k4K, MapLevel::k4K));
}

TEST_F(CollapseDesignTest, GlobalGivenBackMendsTheFirst) {
  EXPECT_EQ(RoundTrips({.collapse = CollapseDesign::kWhenUniform, .restore_global = true}),
            std::pair(MapLevel::k2M, MapLevel::k4K));
  EXPECT_EQ(events_.collapses_2m, 1);
  EXPECT_EQ(tables_.returned, 1);
}

TEST_F(CollapseDesignTest, DirtyGivenBackMendsTheSecond) {
  EXPECT_EQ(RoundTrips({.collapse = CollapseDesign::kWhenUniform, .restore_global = true, .restore_dirty = true}),
            std::pair(MapLevel::k2M, MapLevel::k2M));
  EXPECT_EQ(counters_.level2_collapses, 2u);
}

TEST_F(CollapseDesignTest, MainlineNeverCollapsesOnItsOwn) {
  EXPECT_EQ(RoundTrips({.collapse = CollapseDesign::kOnRox, .restore_global = true, .restore_dirty = true}),
            std::pair(MapLevel::k4K, MapLevel::k4K));
  changer_.Collapse({k2MPage, k2MPage + FrameCount(1024)}, events_);
  EXPECT_EQ(map_.Lookup(k2MPage)->level, MapLevel::k2M) << "the explicit call does";
  EXPECT_EQ(events_.collapses_2m, 2);
}

TEST_F(CollapseDesignTest, AutomaticCollapseGoesOnUpwards) {
  AttributeChanger changer(&map_, &counters_, &tables_, TlbFlushes(4), {.collapse = CollapseDesign::kWhenUniform});
  AttributeRequest request = Request(k1GPage, 1);
  request.clear = kWritable;
  changer.Change(request, events_);
  EXPECT_EQ(map_.Lookup(k1GPage)->level, MapLevel::k4K);
  request.set = std::exchange(request.clear, {});
  changer.Change(request, events_);
  EXPECT_EQ(map_.Lookup(k1GPage)->level, MapLevel::k1G);
  EXPECT_EQ(counters_, [&] {
    DirectMapCounters expected = boot_;
    expected.level2_splits = expected.level3_splits = expected.level2_collapses = expected.level3_collapses = 1;
    return expected;
  }());
}

// What reclaim changes on the way to a table has a flush of its own, and is none of the request's business.
TEST(AttributeChangerReclaimTest, ChangesThatReclaimMakesDoNotMixWithTheRequest) {
  for (const bool reclaim_changes : {false, true}) {
    DirectMap map = DirectMap::Boot(*MemoryMap::Pc(uint64_t{3} << 30), {}, kFlags);
    DirectMapCounters counters = DirectMapCounters::Of(map);
    EventCounters events;
    ReclaimedTables tables;
    AttributeChanger changer(&map, &counters, &tables, TlbFlushes(4), CpaRules::Of(KernelRelease::k6_12));
    tables.changer = &changer;
    tables.account = &events;
    tables.request.range = {FrameNumber(300 * 512), FrameNumber(301 * 512)};  // a whole page of 2M
    tables.request.clear = reclaim_changes ? kWritable : EntryFlags();
    AttributeRequest request;
    request.clear = kWritable;
    // The request has changed two pages of 2M when it finds no table: it flushes.
    request.range = {k2MPage, k2MPage + FrameCount(2 * 512 + 1)};
    EXPECT_EQ(changer.Change(request, events), CpaOutcome::kNoMemory);
    EXPECT_EQ(events.flushes_all, reclaim_changes ? 2 : 1);
    // This one has changed nothing, and does not.
    events = {};
    tables.request.range = {FrameNumber(302 * 512), FrameNumber(303 * 512)};
    request.range = {FrameNumber(200 * 512), FrameNumber(200 * 512 + 1)};
    EXPECT_EQ(changer.Change(request, events), CpaOutcome::kNoMemory);
    EXPECT_EQ(events.flushes_all, reclaim_changes ? 1 : 0);
  }
}

}  // namespace
}  // namespace dmfrag::model
