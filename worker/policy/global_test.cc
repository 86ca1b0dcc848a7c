#include <vector>

#include "gtest/gtest.h"
#include "worker/policy/cache_fixture.h"

namespace dmfrag::policy {
namespace {

using model::CpaOutcome;
using model::FrameCount;
using model::FrameNumber;
using model::Migratetype;
using model::Order;
using Entry = CacheOptions::Entry;
using FreePath = CacheOptions::FreePath;
using Restore = CacheOptions::Restore;

// What a spec without options says.
CacheOptions Defaults() { return {.entry = Entry::kRw4K, .free_path = FreePath::kDivert}; }

class GlobalCacheTest : public CacheFixture {
 protected:
  GlobalCacheTest() { Use(Defaults()); }
  void Use(const CacheOptions& options) { CacheFixture::Use("global", options); }
};

TEST_F(GlobalCacheTest, OneRefillServes512PagesForOneSplit) {
  const std::vector<FrameNumber> pages = Allocate(512);
  EXPECT_EQ(Splits(), 1);
  EXPECT_EQ(events_.refills, 1);
  EXPECT_EQ(cache_->idle_pages(), FrameCount(0));
  for (FrameNumber page : pages) {
    EXPECT_EQ(page.AlignedDown(model::kFramesPer2M), pages.front());
    // Changing the permission of a cached page splits nothing more.
    EXPECT_EQ(machine_->SetDirectMapInvalidNoflush(page, FrameCount(1)), CpaOutcome::kDone);
  }
  EXPECT_EQ(Splits(), 1);
  Allocate(1);
  EXPECT_EQ(Splits(), 2);
  EXPECT_EQ(cache_->idle_pages(), FrameCount(511));
}

// Prediction 20 of the domain notes.
TEST_F(GlobalCacheTest, Prediction20SplitsAreRefills) {
  Allocate(6144);
  EXPECT_EQ(Splits(), 12);
}

TEST_F(GlobalCacheTest, TheLastPageInIsTheFirstOut) {
  const std::vector<FrameNumber> pages = Allocate(3);
  Free(pages[1]);
  Free(pages[0]);
  EXPECT_EQ(Allocate(1).front(), pages[0]);
  EXPECT_EQ(Allocate(1).front(), pages[1]);
}

// Prediction 22 of the domain notes.
TEST_F(GlobalCacheTest, Prediction22OrdinaryFreesFromMarkedBlocksGrowTheCache) {
  Allocate(1);
  while (cache_->Shrink(FrameCount(100)).raw() > 0) {
  }
  // Ordinary pages now come from the marked block, since its pages were freed last.
  std::vector<FrameNumber> ordinary;
  for (int i = 0; i < 50; ++i) ordinary.push_back(*machine_->allocator().Allocate(Order(0), Migratetype::kUnmovable));
  for (FrameNumber frame : ordinary) FreeOrdinary(frame);
  EXPECT_EQ(cache_->idle_pages(), FrameCount(50));
  EXPECT_EQ(events_.diverted_pages, 50);
}

TEST_F(GlobalCacheTest, FreesFromOtherBlocksAreLeftAlone) {
  const FrameNumber frame = *machine_->allocator().Allocate(Order(0), Migratetype::kMovable);
  EXPECT_FALSE(cache_->DivertFree(frame, Order(0)));
  machine_->allocator().Free(frame, Order(0));
}

// Prediction 21 of the domain notes.
TEST_F(GlobalCacheTest, Prediction21ShrinkingChangesNeitherMarksNorTheDirectMap) {
  const std::vector<FrameNumber> pages = Allocate(700);
  EXPECT_EQ(events_.refills, 2);
  Free(pages);
  const model::LeafCounts before = machine_->direct_map().counts();
  EXPECT_EQ(cache_->Shrink(FrameCount(10000)), FrameCount(1024));
  EXPECT_EQ(events_.shrunk_pages, 1024);
  EXPECT_EQ(machine_->direct_map().counts(), before);
  for (FrameNumber page : {pages.front(), pages.back()}) {
    EXPECT_EQ(machine_->allocator().PageblockMark(page), 1);
  }
  machine_->allocator().DrainPerCpu();
  EXPECT_EQ(machine_->allocator().allocated_frames(), FrameCount(2));  // the page tables of the splits
}

TEST_F(GlobalCacheTest, WithoutA2MBlockARefillTakesOnePage) {
  // Every largest block is broken by one page that stays.
  std::vector<FrameNumber> all;
  while (const auto frame = machine_->allocator().Allocate(Order(0), Migratetype::kMovable)) all.push_back(*frame);
  for (FrameNumber frame : all) {
    if (frame.raw() % 512 != 17) machine_->allocator().Free(frame, Order(0));
  }
  // And the blocks that watermarks had kept are gone.
  while (machine_->allocator().Allocate(Order(9), Migratetype::kMovable).has_value()) {
  }
  const std::vector<FrameNumber> pages = Allocate(1);
  EXPECT_EQ(events_.refills, 1);
  EXPECT_EQ(events_.refills_failed, 1);
  EXPECT_EQ(cache_->idle_pages(), FrameCount(0));
  EXPECT_EQ(machine_->allocator().PageblockMark(pages.front()), 1);
}

TEST_F(GlobalCacheTest, WithoutMemoryAnAllocationFailsAndLosesNothing) {
  while (machine_->allocator().Allocate(Order(0), Migratetype::kMovable).has_value()) {
  }
  const FrameCount allocated = machine_->allocator().allocated_frames();
  EXPECT_FALSE(cache_->Allocate({}).has_value());
  EXPECT_EQ(machine_->allocator().allocated_frames(), allocated);
}

TEST_F(GlobalCacheTest, RefillOrderIsAnOption) {
  CacheOptions options = Defaults();
  options.refill_order = Order(3);
  Use(options);
  Allocate(1);
  EXPECT_EQ(cache_->idle_pages(), FrameCount(7));
  EXPECT_EQ(events_.refills_failed, 0);
}

TEST_F(GlobalCacheTest, TheShrinkThresholdIsAShareOfMemory) {
  EXPECT_EQ(cache_->shrink_below(), FrameCount((262144 - 256) / 1000 * 10));
}

}  // namespace
}  // namespace dmfrag::policy
