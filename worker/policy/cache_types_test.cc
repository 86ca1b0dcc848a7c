// What each cache type does alone. Those with much to say have a test of their own.
#include <vector>

#include "gtest/gtest.h"
#include "worker/policy/cache_fixture.h"

namespace dmfrag::policy {
namespace {

using model::CpaOutcome;
using model::EntryFlags;
using model::FrameCount;
using model::FrameNumber;
using model::kFramesPer2M;
using model::MapLevel;
using model::Migratetype;
using model::Order;
using Entry = CacheOptions::Entry;
using Restore = CacheOptions::Restore;

class CacheTypesTest : public CacheFixture {
 protected:
  int64_t Flushes() const { return events_.flushes_all + events_.flushes_range; }
  // The user's own calls: the page is read-only, and in use.
  void MakeReadOnly(FrameNumber page) {
    ASSERT_EQ(machine_->Change({.range = {page, page + FrameCount(1)},
                                .set = EntryFlags(EntryFlags::kPresent),
                                .clear = EntryFlags(EntryFlags::kWritable),
                                .flush = false}),
              CpaOutcome::kDone);
  }
};

TEST_F(CacheTypesTest, DebugPageallocFlushesThisProcessorAtEveryChangeOfHands) {
  model::MachineConfig config = Pc();
  config.mapping.debug_pagealloc = true;
  Use("debug_pagealloc", {}, config);
  cache_->OnPagesChangeHands(FrameCount(8));
  cache_->OnPagesChangeHands(FrameCount(1));
  EXPECT_EQ(events_.cpa_requests, 2);
  EXPECT_EQ(events_.entries_written, 9);
  EXPECT_EQ(events_.local_flushes, 2);
  EXPECT_EQ(events_.flush_ipis, 0);
  EXPECT_EQ(cache_->max_order(), Order(0));
  Free(Allocate(10));
  EXPECT_EQ(cache_->idle_pages(), FrameCount(0));
}

// unmapped_buddy

TEST_F(CacheTypesTest, Prediction26UnmappedPagesAreUsedAgainWithoutAFlush) {
  Use("unmapped_buddy", {.entry = Entry::kNotPresent});
  std::vector<FrameNumber> pages = Allocate(1);
  EXPECT_EQ(Flushes(), 2);  // the split's, and one for all 512 pages
  EXPECT_EQ(PagesNotPresent(), 512U);
  Free(pages);
  for (int round = 0; round < 5; ++round) Free(Allocate(512, One(static_cast<uint32_t>(round))));
  EXPECT_EQ(Flushes(), 2);
  EXPECT_EQ(events_.refills, 1);
}

TEST_F(CacheTypesTest, UnmappedBuddyHasBlocksOfAllOrders) {
  Use("unmapped_buddy", {.entry = Entry::kNotPresent});
  uint64_t pages = 0;
  for (unsigned order = 0; order <= 9; ++order) {
    const auto block = cache_->Allocate({.order = Order(order)});
    ASSERT_TRUE(block.has_value());
    EXPECT_TRUE(block->page.IsAligned(Order(order).frames()));
    EXPECT_EQ(block->state, PageState::kNotPresent);
    EXPECT_FALSE(IsPresent(block->page));
    pages += Order(order).frames().raw();
  }
  EXPECT_EQ(events_.refills, 2);
  EXPECT_EQ(cache_->idle_pages().raw(), 1024 - pages);
}

TEST_F(CacheTypesTest, TheDraftOfUnmappedAllocLeavesTheRestOfARefillPresent) {
  Use("unmapped_buddy", {.entry = Entry::kNotPresent, .draft_refill_defect = true});
  const FrameNumber page = Allocate(1)[0];
  EXPECT_FALSE(IsPresent(page));
  EXPECT_EQ(PagesNotPresent(), 1U);
  const auto next = cache_->Allocate({});
  EXPECT_EQ(next->state, PageState::kNotPresent);  // so it says
  EXPECT_TRUE(IsPresent(next->page));
}

// hierarchical

TEST_F(CacheTypesTest, Prediction26CategoryTwoConvertsWithoutAFlushAndKeepsItsPermission) {
  Use("hierarchical", {.entry = Entry::kNotPresent, .category_two_batch = 16, .category_two_high = 100});
  const CacheUser user = Two(7);
  const auto first = cache_->Allocate({.user = user});
  EXPECT_EQ(first->state, PageState::kNotPresent);
  EXPECT_EQ(Flushes(), 2);  // of the global cache's refill
  MakeReadOnly(first->page);
  Free(first->page, user);
  const int64_t requests = events_.cpa_requests;
  const auto again = cache_->Allocate({.user = user});
  EXPECT_EQ(again->page, first->page);
  EXPECT_EQ(again->state, PageState::kInUse);
  EXPECT_TRUE(IsPresent(again->page));
  EXPECT_EQ(events_.cpa_requests, requests);
  EXPECT_EQ(Flushes(), 2);
  EXPECT_EQ(events_.refills, 1);
  EXPECT_EQ(cache_->idle_pages(), FrameCount(511));
  // Another user's pages are its own.
  EXPECT_EQ(cache_->Allocate({.user = Two(8)})->state, PageState::kNotPresent);
  // Category one has the global cache.
  EXPECT_FALSE(IsPresent(Allocate(1, One(9))[0]));
}

TEST_F(CacheTypesTest, Prediction26ABatchThatGoesBackIsFlushedOnce) {
  Use("hierarchical", {.entry = Entry::kNotPresent, .category_two_batch = 16, .category_two_high = 40});
  const CacheUser user = Two(7);
  const std::vector<FrameNumber> pages = Allocate(48, user);
  for (const FrameNumber page : pages) MakeReadOnly(page);
  const int64_t flushes = Flushes();
  for (int i = 0; i < 39; ++i) Free(pages[static_cast<size_t>(i)], user);
  EXPECT_EQ(events_.pages_returned, 0);
  Free(pages[39], user);
  EXPECT_EQ(events_.pages_returned, 16);
  EXPECT_EQ(Flushes(), flushes + 1);
  for (size_t i = 0; i < 16; ++i) EXPECT_FALSE(IsPresent(pages[i]));  // those that were idle longest
  for (size_t i = 16; i < 40; ++i) EXPECT_TRUE(IsPresent(pages[i]));
  EXPECT_EQ(cache_->idle_pages(), FrameCount(512 - 8));
}

TEST_F(CacheTypesTest, HierarchicalShrinksListsOfCategoryTwoToo) {
  Use("hierarchical", {.entry = Entry::kNotPresent, .category_two_batch = 16, .category_two_high = 1000});
  for (const uint32_t number : {1, 2}) {
    const std::vector<FrameNumber> pages = Allocate(300, Two(number));
    for (const FrameNumber page : pages) MakeReadOnly(page);
    Free(pages, Two(number));
  }
  EXPECT_EQ(cache_->idle_pages(), FrameCount(1024));
  while (cache_->Shrink(FrameCount(128)).raw() > 0) {
  }
  EXPECT_EQ(cache_->idle_pages(), FrameCount(0));
  EXPECT_EQ(PagesNotPresent(), 0U);
}

// migratetype

TEST_F(CacheTypesTest, MigratetypeClaimsAPageblockWithPagesInUseAndTakesTheseWhenTheyAreFreed) {
  Use("migratetype", {});
  model::PageAllocator& allocator = machine_->allocator();
  const FrameNumber small = *allocator.Allocate(Order(0), Migratetype::kUnmovable);
  const FrameNumber large = *allocator.Allocate(Order(4), Migratetype::kUnmovable);
  const FrameNumber page = Allocate(1)[0];
  ASSERT_EQ(page.AlignedDown(kFramesPer2M), large.AlignedDown(kFramesPer2M));
  EXPECT_EQ(Splits(), 1U);
  const uint64_t idle = cache_->idle_pages().raw();
  // The split's table came from the block's pages on the per-CPU list.
  EXPECT_EQ(events_.table_pages_in_split_block, 1);
  EXPECT_EQ(idle, 512 - 17 - 2 - allocator.per_cpu_frames().raw());
  FreeOrdinary(large, Order(4));
  EXPECT_EQ(cache_->idle_pages().raw(), idle + 16);
  FreeOrdinary(small);
  EXPECT_EQ(cache_->idle_pages().raw(), idle + 17);
  EXPECT_EQ(events_.diverted_pages, 17);
  EXPECT_EQ(events_.free_checks, 0);  // the page allocator knows the migratetype anyway
  // Others' pages are left alone.
  const FrameNumber movable = *allocator.Allocate(Order(0), Migratetype::kMovable);
  EXPECT_FALSE(cache_->DivertFree(movable, Order(0)));
  allocator.Free(movable, Order(0));
}

TEST_F(CacheTypesTest, MigratetypeHasBlocksOfAllOrdersAndRestoresWholeOnes) {
  for (const Restore restore : {Restore::kNever, Restore::kOnCoalesce, Restore::kCollapse}) {
    Use("migratetype", {.restore = restore});
    const FrameNumber block = cache_->Allocate({.order = Order(9)})->page;
    EXPECT_TRUE(block.IsAligned(kFramesPer2M));
    EXPECT_EQ(LevelOf(block), MapLevel::k4K);
    cache_->Free(block, Order(9), {}, PageState::kMapped);
    const bool restores = restore != Restore::kNever;
    EXPECT_EQ(events_.blocks_restored, restores ? 1 : 0);
    EXPECT_EQ(cache_->idle_pages(), FrameCount(restores ? 0 : 512));
    EXPECT_EQ(machine_->allocator().PageblockMark(block), restores ? 0 : 1);
    EXPECT_EQ(cache_->Shrink(FrameCount(512)), FrameCount(0));
  }
}

// freetype

TEST_F(CacheTypesTest, Prediction26FreetypeFlushesOncePerBlockAndKeepsTheEntryOf2M) {
  Use("freetype", {});
  const FrameNumber page = Allocate(1)[0];
  EXPECT_EQ(Flushes(), 1);
  EXPECT_EQ(Splits(), 0U);
  EXPECT_EQ(LevelOf(page), MapLevel::k2M);
  EXPECT_FALSE(IsPresent(page));
  EXPECT_EQ(cache_->idle_pages(), FrameCount(511));
  Free(page);
  EXPECT_EQ(cache_->idle_pages(), FrameCount(0));
  EXPECT_TRUE(IsPresent(page));
  EXPECT_EQ(LevelOf(page), MapLevel::k2M);
  EXPECT_EQ(events_.cache_pages_zeroed, 512);
  EXPECT_EQ(events_.blocks_restored, 1);
  EXPECT_EQ(events_.pages_leaked, 0);
  EXPECT_EQ(Flushes(), 1);
}

TEST_F(CacheTypesTest, FreetypeWantsAWholeFreeBlock) {
  Use("freetype", {});
  BreakAllBlocks();
  while (machine_->allocator().Allocate(Order(9), Migratetype::kUnmovable).has_value()) {
  }
  ASSERT_TRUE(machine_->allocator().Allocate(Order(0), Migratetype::kUnmovable).has_value());
  EXPECT_FALSE(cache_->Allocate({}).has_value());
}

// rox_pack

TEST_F(CacheTypesTest, RoxPackGivesCodeWholeBlocksAndOthersSinglePages) {
  Use("rox_pack", {.placement = CacheOptions::Placement::kBoundedRegion, .region_per_mille = 100});
  EXPECT_EQ(cache_->code_release(), model::KernelRelease::k7_3);
  EXPECT_EQ(cache_->max_order(), Order(9));
  const FrameNumber block = cache_->Allocate({.order = Order(9)})->page;
  EXPECT_GT(block.raw(), 262144 - 262144 / 10 - 512);
  const FrameNumber page = Allocate(1)[0];
  EXPECT_EQ(machine_->allocator().allocated_frames(), FrameCount(513));
  cache_->Free(block, Order(9), {}, PageState::kMapped);
  Free(page);
  EXPECT_EQ(machine_->allocator().allocated_frames(), FrameCount(0));
  EXPECT_EQ(cache_->idle_pages(), FrameCount(0));
}

}  // namespace
}  // namespace dmfrag::policy
