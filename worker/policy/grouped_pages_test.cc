// What all caches of grouped pages do alike, seen through the types that show it.
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "worker/policy/cache_fixture.h"

namespace dmfrag::policy {
namespace {

using model::CpaOutcome;
using model::FrameCount;
using model::FrameNumber;
using model::FrameRange;
using model::kFramesPer2M;
using model::MapLevel;
using model::Order;
using AtomicMiss = CacheOptions::AtomicMiss;
using Entry = CacheOptions::Entry;
using FreePath = CacheOptions::FreePath;
using Restore = CacheOptions::Restore;

FrameNumber BlockOf(FrameNumber page) { return page.AlignedDown(kFramesPer2M); }

class GroupedPagesTest : public CacheFixture {
 protected:
  // A machine that gives GLOBAL and DIRTY back.
  static model::MachineConfig Restoring() {
    model::MachineConfig config = Pc();
    config.restore_global = config.restore_dirty = true;
    return config;
  }
  void MakeNotPresentAndBack(FrameNumber page) {
    ASSERT_EQ(machine_->SetDirectMapInvalidNoflush(page, FrameCount(1)), CpaOutcome::kDone);
    ASSERT_EQ(machine_->SetDirectMapDefaultNoflush(page, FrameCount(1)), CpaOutcome::kDone);
  }
  std::optional<CachedPage> AllocateAtomically(const CacheUser& user = {}) {
    return cache_->Allocate({.user = user, .can_sleep = false});
  }
  // Pages given out are neither free nor idle, and nothing else is lost.
  void ExpectAllocated(uint64_t pages) const {
    EXPECT_EQ(machine_->allocator().allocated_frames().raw(),
              pages + cache_->idle_pages().raw() + static_cast<uint64_t>(events_.table_pages - events_.collapses_2m));
  }
};

// Restore.

TEST_F(GroupedPagesTest, CollapseKeepsOneWholeBlockAndRestoresTheNext) {
  Use("global", {.restore = Restore::kCollapse, .entry = Entry::kRw4K});
  const std::vector<FrameNumber> pages = Allocate(1024);
  Free({pages.begin(), pages.begin() + 512});
  EXPECT_EQ(events_.blocks_restored, 0);
  EXPECT_EQ(cache_->idle_pages(), kFramesPer2M);
  Free({pages.begin() + 512, pages.end()});
  EXPECT_EQ(events_.blocks_restored, 1);
  EXPECT_EQ(events_.collapses_2m, 1);
  EXPECT_EQ(cache_->idle_pages(), kFramesPer2M);
  EXPECT_EQ(LevelOf(pages[1023]), MapLevel::k2M);
  EXPECT_EQ(LevelOf(pages[0]), MapLevel::k4K);
  // The kept one serves the next callers.
  Allocate(512);
  EXPECT_EQ(events_.refills, 2);
  ExpectAllocated(512);
}

TEST_F(GroupedPagesTest, APageThatWasNotPresentKeepsItsBlockFromBeingRestored) {
  Use("global", {.restore = Restore::kCollapse, .entry = Entry::kRw4K});
  const std::vector<FrameNumber> pages = Allocate(1024);
  MakeNotPresentAndBack(pages[600]);
  Free(pages);
  EXPECT_EQ(events_.blocks_restored, 0);
  EXPECT_EQ(events_.restores_blocked, 1);
  EXPECT_EQ(cache_->idle_pages(), FrameCount(1024));  // of more use here
  ExpectAllocated(0);
}

TEST_F(GroupedPagesTest, UnlessGlobalComesBack) {
  Use("global", {.restore = Restore::kCollapse, .entry = Entry::kRw4K}, Restoring());
  const std::vector<FrameNumber> pages = Allocate(1024);
  MakeNotPresentAndBack(pages[600]);
  Free(pages);
  EXPECT_EQ(events_.blocks_restored, 1);
  EXPECT_EQ(events_.restores_blocked, 0);
  EXPECT_EQ(LevelOf(pages[600]), MapLevel::k2M);
}

// From 6.15 on pages that are 4K on purpose carry a mark, which the owner of the block takes off.
TEST_F(GroupedPagesTest, TheMarkOf4KOnPurposeIsTakenOffByTheOwner) {
  model::MachineConfig config = Pc();
  config.cpa_release = model::KernelRelease::k6_16;
  Use("global", {.restore = Restore::kCollapse, .entry = Entry::kRw4K}, config);
  Free(Allocate(1024));
  EXPECT_EQ(events_.blocks_restored, 1);
}

// Users' pages that can be moved, all of them. A move may ask the cache for something in between, as a split does that
// meets the end of memory.
class Movable final : public LiveCachedPages {
 public:
  bool CanMove(FrameNumber page) const override { return live.contains(page); }
  bool Move(FrameNumber from, FrameNumber to) override {
    if (before_move) std::exchange(before_move, nullptr)();
    if (fails) return false;
    live.erase(from);
    EXPECT_TRUE(live.insert(to).second);
    return true;
  }
  std::set<FrameNumber> live;
  std::function<void()> before_move;
  bool fails = false;
};

class CompactingTest : public GroupedPagesTest {
 protected:
  ~CompactingTest() override { cache_->SetLivePages(nullptr); }
  // Blocks of which so many pages each are in use.
  void FillBlocks(const std::vector<int>& in_use) {
    cache_->SetLivePages(&movable_);
    const std::vector<FrameNumber> pages = Allocate(static_cast<int>(in_use.size()) * 512);
    for (size_t i = 0; i < pages.size(); ++i) {
      if (static_cast<int>(i % 512) < in_use[i / 512]) {
        movable_.live.insert(pages[i]);
      } else {
        Free(pages[i]);
      }
    }
    for (size_t i = 0; i < in_use.size(); ++i) blocks_.push_back(BlockOf(pages[i * 512]));
  }
  uint64_t LiveIn(FrameNumber block) const {
    uint64_t live = 0;
    for (const FrameNumber page : movable_.live) live += BlockOf(page) == block ? 1 : 0;
    return live;
  }
  Movable movable_;
  std::vector<FrameNumber> blocks_;
};

TEST_F(CompactingTest, ShrinkingMovesLivePagesOutOfTheBlockThatIsEasiestToEmpty) {
  Use("global", {.restore = Restore::kOnShrink, .entry = Entry::kRw4K});
  FillBlocks({20, 7, 30});
  EXPECT_EQ(cache_->Shrink(FrameCount(100)), kFramesPer2M);
  EXPECT_EQ(events_.cache_pages_migrated, 7);
  EXPECT_EQ(events_.blocks_restored, 1);
  EXPECT_EQ(events_.shrunk_pages, 512);
  EXPECT_EQ(LevelOf(blocks_[1]), MapLevel::k2M);
  EXPECT_EQ(LiveIn(blocks_[1]), 0U);
  EXPECT_EQ(movable_.live.size(), 57U);
  ExpectAllocated(57);
}

TEST_F(CompactingTest, ABlockWithAPageThatCannotBeMovedStays) {
  Use("global", {.restore = Restore::kOnShrink, .entry = Entry::kRw4K});
  FillBlocks({20, 7});
  const FrameNumber fixed = *movable_.live.lower_bound(blocks_[1]);
  movable_.live.erase(fixed);
  EXPECT_EQ(cache_->Shrink(FrameCount(1)), kFramesPer2M);
  EXPECT_EQ(events_.restores_blocked, 1);
  EXPECT_EQ(events_.cache_pages_migrated, 20);
  EXPECT_EQ(LevelOf(blocks_[0]), MapLevel::k2M);
  // What is left goes page by page, as ever.
  EXPECT_EQ(cache_->Shrink(FrameCount(10)), FrameCount(10));
  EXPECT_EQ(events_.restores_blocked, 1);
  movable_.live.insert(fixed);
  ExpectAllocated(27);
}

TEST_F(CompactingTest, WithoutRoomElsewhereABlockStays) {
  Use("global", {.restore = Restore::kOnShrink, .entry = Entry::kRw4K});
  FillBlocks({7});
  EXPECT_EQ(cache_->Shrink(FrameCount(1)), FrameCount(1));
  EXPECT_EQ(events_.cache_pages_migrated, 0);
  EXPECT_EQ(events_.restores_blocked, 1);
}

TEST_F(CompactingTest, AMoveThatFailsLosesNothing) {
  Use("global", {.restore = Restore::kOnShrink, .entry = Entry::kRw4K});
  FillBlocks({20, 7});
  movable_.fails = true;
  EXPECT_EQ(cache_->Shrink(FrameCount(1)), FrameCount(1));
  EXPECT_EQ(events_.cache_pages_migrated, 0);
  EXPECT_EQ(events_.blocks_restored, 0);
  ExpectAllocated(27);
}

TEST_F(CompactingTest, APageThatIsBeingMovedToIsNotGivenBackInBetween) {
  Use("global", {.restore = Restore::kOnShrink, .entry = Entry::kMapped});
  FillBlocks({1, 2, 1});
  movable_.before_move = [this] { cache_->Shrink(FrameCount(1)); };
  cache_->Shrink(FrameCount(1));
  EXPECT_EQ(movable_.live.size(), 4U);
  for (const FrameNumber page : movable_.live) {
    EXPECT_EQ(machine_->allocator().BlockOf(page).state, model::FrameState::kAllocated) << page.raw();
  }
  ExpectAllocated(4);
}

// Entries of 2M.

TEST_F(GroupedPagesTest, OneEntryOf2MIsSplitByTheFirstPartThatGoesBack) {
  Use("unmapped_buddy", {.entry = Entry::kNotPresent2M});
  const FrameNumber page = Allocate(1)[0];
  EXPECT_FALSE(IsPresent(page));
  EXPECT_EQ(LevelOf(page), MapLevel::k2M);
  EXPECT_EQ(cache_->Shrink(FrameCount(1)), FrameCount(1));
  EXPECT_EQ(LevelOf(page), MapLevel::k4K);
  EXPECT_EQ(Splits(), 1U);
  EXPECT_EQ(events_.blocks_restored, 0);
}

TEST_F(GroupedPagesTest, AWholeBlockGoesBackByItsOneEntry) {
  Use("unmapped_buddy", {.entry = Entry::kNotPresent2M});
  const std::vector<FrameNumber> pages = Allocate(512);
  Free(pages);
  EXPECT_EQ(cache_->Shrink(FrameCount(1)), kFramesPer2M);
  EXPECT_EQ(Splits(), 0U);
  EXPECT_EQ(events_.blocks_restored, 1);
  EXPECT_TRUE(IsPresent(pages[0]));
  EXPECT_EQ(LevelOf(pages[0]), MapLevel::k2M);
}

// All 512 entries of a block that was not present as a whole are equal when it is present again, whoever lacks GLOBAL.
TEST_F(GroupedPagesTest, ABlockOfUnmappedPagesIsRestoredAsAWhole) {
  Use("unmapped_buddy", {.restore = Restore::kOnShrink, .entry = Entry::kNotPresent});
  const std::vector<FrameNumber> pages = Allocate(512);
  EXPECT_EQ(LevelOf(pages[0]), MapLevel::k4K);
  Free(pages);
  EXPECT_EQ(cache_->Shrink(FrameCount(1)), kFramesPer2M);
  EXPECT_EQ(events_.blocks_restored, 1);
  EXPECT_EQ(LevelOf(pages[0]), MapLevel::k2M);
}

// With on_coalesce nobody but the buddy allocator's hook restores (worker/experiment/coalesce_restorer.h).
TEST_F(GroupedPagesTest, OnCoalesceLeavesTheBlockToTheBuddyAllocator) {
  Use("unmapped_buddy", {.restore = Restore::kOnCoalesce, .entry = Entry::kNotPresent});
  const std::vector<FrameNumber> pages = Allocate(512);
  Free(pages);
  EXPECT_EQ(cache_->Shrink(FrameCount(1)), kFramesPer2M);
  EXPECT_EQ(events_.blocks_restored, 0);
  EXPECT_EQ(LevelOf(pages[0]), MapLevel::k4K);
  EXPECT_TRUE(IsPresent(pages[0]));
}

// Data.

TEST_F(GroupedPagesTest, DataOfAFormerOwnerLeaksOnceUnlessItIsCleared) {
  Use("global", {.entry = Entry::kMapped});
  const CacheUser first = One(1);
  const CacheUser second = One(2);
  const CacheUser clearing = {.number = 3, .zeroes_new = true};
  const CacheUser tidy = {.number = 4, .zeroes_freed = true};
  Free(Allocate(1, first), first);
  EXPECT_EQ(events_.pages_leaked, 0);  // nobody had it before
  Free(Allocate(1, first), first);
  EXPECT_EQ(events_.pages_leaked, 0);  // its own
  Free(Allocate(1, second), second);
  EXPECT_EQ(events_.pages_leaked, 1);
  Free(Allocate(1, clearing), clearing);
  EXPECT_EQ(events_.pages_leaked, 1);
  Free(Allocate(1, tidy), tidy);
  EXPECT_EQ(events_.pages_leaked, 2);
  Free(Allocate(1, first), first);
  EXPECT_EQ(events_.pages_leaked, 2);  // cleared before it was freed
}

TEST_F(GroupedPagesTest, PagesThatWereNotPresentLeakWhenTheyAreMappedAgain) {
  Use("unmapped_buddy", {.entry = Entry::kNotPresent});
  const CacheUser user = One(1);
  Free(Allocate(3, user), user);
  cache_->Shrink(FrameCount(512));
  EXPECT_EQ(events_.pages_leaked, 3);
}

TEST_F(GroupedPagesTest, ClearingAPageThatIsNotPresentTakesATemporaryMapping) {
  const CacheUser user = {.number = 1, .zeroes_new = true, .zeroes_freed = true};
  Use("unmapped_buddy", {.entry = Entry::kNotPresent});
  const std::vector<FrameNumber> pages = Allocate(3, user);
  EXPECT_EQ(events_.temporary_mappings, 3);
  EXPECT_EQ(events_.local_flushes, 3);
  Free(pages, user);
  EXPECT_EQ(events_.temporary_mappings, 6);
  Use("global", {.entry = Entry::kRw4K});
  Free(Allocate(3, user), user);
  EXPECT_EQ(events_.temporary_mappings, 0);
}

// Callers that cannot sleep.

TEST_F(GroupedPagesTest, Prediction24AnAtomicCallerIsDeniedAndNothingIsSplit) {
  for (const char* type : {"global", "per_user", "unmapped_buddy", "hierarchical", "migratetype", "freetype"}) {
    for (const Entry entry : {Entry::kRw4K, Entry::kNotPresent, Entry::kNotPresent2M, Entry::kMapped}) {
      for (const AtomicMiss miss : {AtomicMiss::kDeny, AtomicMiss::kReserve, AtomicMiss::kSinglePage}) {
        SCOPED_TRACE(::testing::Message() << type << static_cast<int>(entry) << static_cast<int>(miss));
        Use(type, {.entry = entry, .atomic_miss = miss});
        EXPECT_FALSE(AllocateAtomically(Two(1)).has_value());
        EXPECT_EQ(events_.atomic_denials, 1);
        EXPECT_EQ(Splits(), 0U);
        EXPECT_EQ(events_.refills, 0);
        ExpectAllocated(0);
      }
    }
  }
}

TEST_F(GroupedPagesTest, Prediction24AnIdlePageWhoseEntryIsLargeIsNotForAtomicCallers) {
  Use("global", {.entry = Entry::kMapped});
  const FrameNumber page = Allocate(1)[0];
  EXPECT_FALSE(AllocateAtomically().has_value());
  EXPECT_EQ(events_.atomic_denials, 1);
  MakeNotPresentAndBack(page);  // the block is split now
  EXPECT_TRUE(AllocateAtomically().has_value());
  EXPECT_EQ(Splits(), 1U);
}

TEST_F(GroupedPagesTest, Prediction24AReserveIsFilledByThoseWhoCanSleep) {
  Use("global", {.entry = Entry::kMapped, .atomic_miss = AtomicMiss::kReserve, .atomic_reserve_pages = 5});
  Allocate(1);
  EXPECT_EQ(cache_->idle_pages(), FrameCount(511));
  const uint64_t splits = Splits();
  while (cache_->Shrink(FrameCount(1000)).raw() > 0) {
  }
  EXPECT_EQ(cache_->idle_pages(), FrameCount(5));
  for (int i = 0; i < 5; ++i) {
    const auto page = AllocateAtomically();
    ASSERT_TRUE(page.has_value());
    EXPECT_EQ(LevelOf(page->page), MapLevel::k4K);
  }
  EXPECT_FALSE(AllocateAtomically().has_value());
  EXPECT_EQ(events_.atomic_denials, 1);
  EXPECT_EQ(Splits(), splits);
  ExpectAllocated(6);
}

TEST_F(GroupedPagesTest, Prediction24ASinglePageServesIfItsEntryIs4K) {
  Use("global", {.entry = Entry::kRw4K, .atomic_miss = AtomicMiss::kSinglePage});
  const FrameNumber page = *machine_->allocator().Allocate(Order(0), model::Migratetype::kUnmovable);
  ASSERT_EQ(machine_->SetMemory4K({page, page + FrameCount(1)}), CpaOutcome::kDone);
  machine_->allocator().Free(page, Order(0));
  const auto got = AllocateAtomically();
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(LevelOf(got->page), MapLevel::k4K);
  EXPECT_EQ(Splits(), 1U);
  Free(got->page);
  EXPECT_EQ(cache_->idle_pages(), FrameCount(1));
  EXPECT_EQ(events_.refills, 0);
}

// Free paths.

TEST_F(GroupedPagesTest, BatchesOfMmuGatherGoPastTheCache) {
  Use("global", {.entry = Entry::kNotPresent, .free_path = FreePath::kGatherBatch});
  const std::vector<FrameNumber> pages = Allocate(3);
  EXPECT_EQ(cache_->StateOnFree({}), PageState::kMapped);
  ASSERT_EQ(machine_->SetDirectMapDefaultNoflush(pages[0], FrameCount(1)), CpaOutcome::kDone);
  cache_->Free(pages[0], Order(0), {}, PageState::kMapped);
  EXPECT_EQ(events_.pages_escaped, 1);
  EXPECT_EQ(cache_->idle_pages(), FrameCount(509));
  // One whose user never came to use it was no part of a batch.
  cache_->Free(pages[1], Order(0), {}, PageState::kNotPresent);
  EXPECT_EQ(events_.pages_escaped, 1);
  EXPECT_EQ(cache_->idle_pages(), FrameCount(510));
  ExpectAllocated(1);
}

TEST_F(GroupedPagesTest, ALookForACacheIsCountedAtEveryFree) {
  for (const FreePath path : {FreePath::kDivert, FreePath::kBackPointer}) {
    Use("global", {.entry = Entry::kRw4K, .free_path = path});
    EXPECT_TRUE(cache_->checks_frees());
    Free(Allocate(2));
    EXPECT_EQ(events_.free_checks, 2);
    FreeOrdinary(*machine_->allocator().Allocate(Order(0), model::Migratetype::kMovable));
    EXPECT_EQ(events_.free_checks, 3);
    EXPECT_EQ(events_.diverted_pages, 0);
  }
  for (const FreePath path : {FreePath::kDedicatedApi, FreePath::kGatherBatch}) {
    Use("global", {.entry = Entry::kRw4K, .free_path = path});
    EXPECT_FALSE(cache_->checks_frees());
    Free(Allocate(2));
    EXPECT_EQ(events_.free_checks, 0);
  }
}

// Lists.

TEST_F(GroupedPagesTest, EachNodeHasAListOfItsOwn) {
  model::MachineConfig config = Pc();
  config.numa_nodes = 2;
  for (const bool per_node : {false, true}) {
    Use("global", {.entry = Entry::kRw4K, .per_node = per_node}, config);
    machine_->allocator().RunOn(0);
    const FrameNumber first = Allocate(1)[0];
    machine_->allocator().RunOn(3);
    const FrameNumber second = Allocate(1)[0];
    EXPECT_EQ(machine_->allocator().NodeOf(first), 0U);
    EXPECT_EQ(machine_->allocator().NodeOf(second), per_node ? 1U : 0U);
    EXPECT_EQ(events_.refills, per_node ? 2 : 1);
    // Freed on the other node, they go home.
    Free(first);
    machine_->allocator().RunOn(0);
    EXPECT_EQ(Allocate(1)[0], first);
  }
}

TEST_F(GroupedPagesTest, AListThatHasNothingToGiveKeepsNoOtherFromShrinking) {
  Use("per_user", {.atomic_miss = AtomicMiss::kReserve, .atomic_reserve_pages = 400});
  Allocate(112, One(0));  // all that is left is its reserve
  const std::vector<FrameNumber> other = Allocate(112, One(1));
  for (int i = 0; i < 400; ++i) ASSERT_TRUE(AllocateAtomically(One(1)).has_value());
  Free({other.begin(), other.begin() + 50}, One(1));
  EXPECT_EQ(cache_->Shrink(FrameCount(1000)), FrameCount(50));
  EXPECT_EQ(cache_->idle_pages(), FrameCount(400));
  EXPECT_EQ(cache_->Shrink(FrameCount(1000)), FrameCount(0));
}

// Page tables.

TEST_F(GroupedPagesTest, TablesOfSplitsComeFromTheCacheUnlessItIsRefilling) {
  Use("global", {.entry = Entry::kRw4K, .tables_from_cache = true});
  Allocate(1);
  EXPECT_EQ(events_.refill_recursions, 1);  // the refill's own
  EXPECT_EQ(cache_->idle_pages(), FrameCount(511));
  // A split of somebody else's.
  const FrameNumber other = *machine_->allocator().Allocate(Order(9), model::Migratetype::kUnmovable);
  ASSERT_EQ(machine_->SetMemory4K({other, other + FrameCount(1)}), CpaOutcome::kDone);
  EXPECT_EQ(events_.refill_recursions, 1);
  EXPECT_EQ(cache_->idle_pages(), FrameCount(510));
  // And back.
  machine_->ClearKernel4K({other, other + kFramesPer2M});
  EXPECT_EQ(machine_->Collapse({other, other + kFramesPer2M}), 1U);
  EXPECT_EQ(cache_->idle_pages(), FrameCount(511));
}

TEST_F(GroupedPagesTest, ATableOutOfUnmappedPagesIsMapped) {
  Use("unmapped_buddy", {.entry = Entry::kNotPresent, .tables_from_cache = true});
  Allocate(1);
  const FrameNumber other = *machine_->allocator().Allocate(Order(9), model::Migratetype::kUnmovable);
  ASSERT_EQ(machine_->SetMemory4K({other, other + FrameCount(1)}), CpaOutcome::kDone);
  EXPECT_EQ(PagesNotPresent(), 511U);  // the table is not among them
  EXPECT_EQ(cache_->idle_pages(), FrameCount(510));
  EXPECT_EQ(machine_->Collapse({other, other + kFramesPer2M}), 1U);
  EXPECT_EQ(cache_->idle_pages(), FrameCount(511));
}

}  // namespace
}  // namespace dmfrag::policy
