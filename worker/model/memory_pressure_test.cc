#include "worker/model/memory_pressure.h"

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/model/memory_map.h"

namespace dmfrag::model {
namespace {

using ZoneInfo = PageAllocator::ZoneInfo;

// Who holds what, with orders of what was asked of it.
class Holders : public PageHolders {
 public:
  explicit Holders(PageAllocator* allocator) : allocator_(allocator) {}

  bool IsMovable(FrameNumber frame) const override { return movable.contains(frame.raw()); }
  void Moved(FrameNumber from, FrameNumber to) override {
    EXPECT_EQ(movable.erase(from.raw()), 1);
    EXPECT_TRUE(movable.insert(to.raw()).second);
  }
  FrameCount DropPageCache(FrameCount at_most) override { return Free(page_cache, at_most); }
  FrameCount ShrinkCaches(FrameCount at_most) override { return Free(idle, at_most); }

  std::set<uint64_t> movable;
  std::deque<FrameNumber> page_cache;  // not movable here, so that tests tell the two apart
  std::deque<FrameNumber> idle;

 private:
  FrameCount Free(std::deque<FrameNumber>& pages, FrameCount at_most) {
    FrameCount freed;
    for (; freed < at_most && !pages.empty(); freed += FrameCount(1)) {
      allocator_->Free(pages.front(), Order(0));
      pages.pop_front();
    }
    return freed;
  }
  PageAllocator* allocator_;
};

// 256 MiB: zones DMA and DMA32.
class MemoryPressureTest : public ::testing::Test {
 protected:
  MemoryPressureTest() { machine_->ChargeTo(&events_); }
  ~MemoryPressureTest() override { EXPECT_OK(machine_->CheckInvariants()); }

  // Takes everything above WMARK_MIN as pages of `type`, without the slow path.
  std::vector<FrameNumber> Fill(Migratetype type) {
    allocator_.SetSlowPath(nullptr);
    std::vector<FrameNumber> pages;
    // Again and again, since pages on per-CPU lists do not count as free.
    for (size_t before = 1; pages.size() != before;) {
      before = pages.size();
      while (const auto page = allocator_.Allocate(Order(0), type)) pages.push_back(*page);
      allocator_.DrainPerCpu();
    }
    allocator_.SetSlowPath(&pressure_);
    return pages;
  }
  // Every third page of memory is `held` and the others free.
  std::vector<FrameNumber> Fragment(Migratetype type) {
    std::vector<FrameNumber> held;
    size_t i = 0;
    for (FrameNumber page : Fill(type)) {
      if (i++ % 3 == 0) {
        held.push_back(page);
      } else {
        allocator_.Free(page, Order(0));
      }
    }
    allocator_.DrainPerCpu();
    return held;
  }
  // No free block of the order is left.
  std::vector<FrameNumber> TakeAll(Order order) {
    std::vector<FrameNumber> blocks;
    while (HasFreeBlock(order)) blocks.push_back(*allocator_.AllocateDownToMin(0, order, Migratetype::kMovable, 0));
    return blocks;
  }
  bool HasFreeBlock(Order order) const {
    for (unsigned larger = order.raw(); larger < kOrders; ++larger) {
      if (allocator_.FreeBlocks(Order(larger)) > 0) return true;
    }
    return false;
  }
  ZoneInfo Highest() const { return allocator_.InfoOf(1); }

  std::unique_ptr<Machine> machine_ =
      *Machine::Create({.memory = *MemoryMap::Pc(uint64_t{256} << 20), .mapping = {}, .cpus = 2});
  PageAllocator& allocator_ = machine_->allocator();
  EventCounters events_;
  Holders holders_{&allocator_};
  MemoryPressure pressure_{machine_.get(), &holders_};
};

TEST_F(MemoryPressureTest, WithMemoryToSpareItIsNotAsked) {
  EXPECT_TRUE(allocator_.Allocate(kPageblockOrder, Migratetype::kUnmovable).has_value());
  EXPECT_FALSE(pressure_.IsKswapdWoken());
}

TEST_F(MemoryPressureTest, ALargeBlockIsMadeByMovingPages) {
  for (FrameNumber page : Fragment(Migratetype::kMovable)) holders_.movable.insert(page.raw());
  TakeAll(kPageblockOrder);
  const size_t held = holders_.movable.size();
  const auto block = allocator_.Allocate(kPageblockOrder, Migratetype::kUnmovable);
  ASSERT_TRUE(block.has_value());
  EXPECT_EQ(allocator_.PageblockType(*block), Migratetype::kUnmovable);
  EXPECT_EQ(events_.compact_success, 1);
  EXPECT_EQ(events_.compact_fail, 0);
  EXPECT_GT(events_.pages_moved, 100);
  EXPECT_LT(events_.pages_moved, 300);
  EXPECT_EQ(events_.pages_reclaimed, 0);
  EXPECT_EQ(holders_.movable.size(), held);
  for (FrameCount i; i < kFramesPer2M; i += FrameCount(1)) EXPECT_FALSE(holders_.IsMovable(*block + i));
}

TEST_F(MemoryPressureTest, OneUnmovablePageInEveryBlockPreventsIt) {
  for (FrameNumber page : Fragment(Migratetype::kMovable)) holders_.movable.insert(page.raw());
  for (FrameNumber block(0); block < Highest().frames.end; block = block + kFramesPer2M) {
    const auto first = holders_.movable.lower_bound(block.raw());
    if (first != holders_.movable.end()) holders_.movable.erase(first);
  }
  TakeAll(kPageblockOrder);
  EXPECT_FALSE(allocator_.Allocate(kPageblockOrder, Migratetype::kUnmovable).has_value());
  EXPECT_EQ(events_.compact_success, 0);
  EXPECT_EQ(events_.compact_fail, 2);  // before reclaim and after it
  EXPECT_EQ(events_.pages_moved, 0);
  // Smaller blocks are made all the same.
  TakeAll(Order(4));
  EXPECT_TRUE(allocator_.Allocate(Order(4), Migratetype::kUnmovable).has_value());
  EXPECT_EQ(events_.compact_success, 1);
}

TEST_F(MemoryPressureTest, CompactionInVainIsPutOff) {
  Fragment(Migratetype::kMovable);
  TakeAll(kPageblockOrder);
  int64_t tried_at_once = 0;
  for (int request = 0; request < 500; ++request) {
    const int64_t before = events_.compact_fail;
    EXPECT_FALSE(allocator_.Allocate(kPageblockOrder, Migratetype::kUnmovable).has_value());
    tried_at_once += events_.compact_fail - before == 2 ? 1 : 0;
  }
  EXPECT_LE(tried_at_once, 1);
  EXPECT_GE(events_.compact_fail, 8);
  EXPECT_LE(events_.compact_fail, 30);
}

TEST_F(MemoryPressureTest, SinglePagesNeedNoCompaction) {
  const std::vector<FrameNumber> pages = Fill(Migratetype::kMovable);
  for (FrameNumber page : pages) holders_.movable.insert(page.raw());
  EXPECT_FALSE(allocator_.Allocate(Order(0), Migratetype::kMovable).has_value());
  EXPECT_EQ(events_.compact_success + events_.compact_fail, 0);
}

TEST_F(MemoryPressureTest, AnAllocationReclaimsThirtyTwoOldestPages) {
  const std::vector<FrameNumber> pages = Fill(Migratetype::kMovable);
  holders_.page_cache.assign(pages.begin(), pages.begin() + 1000);
  EXPECT_TRUE(allocator_.Allocate(Order(0), Migratetype::kUnmovable).has_value());
  EXPECT_EQ(events_.pages_reclaimed, 32);
  EXPECT_EQ(holders_.page_cache.front(), pages[32]);
  EXPECT_TRUE(pressure_.IsKswapdWoken());
}

TEST_F(MemoryPressureTest, ThePageCacheGoesBeforeTheCachesAndBothBeforeAFailure) {
  const std::vector<FrameNumber> pages = Fill(Migratetype::kMovable);
  holders_.page_cache.assign(pages.begin(), pages.begin() + 100);
  holders_.idle.assign(pages.begin() + 100, pages.begin() + 400);
  uint64_t got = 0;
  while (allocator_.Allocate(Order(0), Migratetype::kUnmovable).has_value()) {
    ++got;
    if (!holders_.page_cache.empty()) {
      EXPECT_EQ(holders_.idle.size(), 300);
    }
  }
  EXPECT_TRUE(holders_.page_cache.empty());
  EXPECT_TRUE(holders_.idle.empty());
  EXPECT_GE(got + allocator_.per_cpu_frames().raw(), 400);
  EXPECT_EQ(events_.pages_reclaimed, 100);
}

TEST_F(MemoryPressureTest, ALargeRequestReclaimsUntilCompactionHasRoom) {
  const std::vector<FrameNumber> pages = Fill(Migratetype::kMovable);
  // Half of the pages may move; the rest is page cache, in every second place.
  for (size_t i = 0; i < pages.size(); ++i) {
    if (i % 2 == 0) {
      holders_.movable.insert(pages[i].raw());
    } else {
      holders_.page_cache.push_back(pages[i]);
    }
  }
  EXPECT_TRUE(allocator_.Allocate(Order(3), Migratetype::kUnmovable).has_value());
  EXPECT_GE(events_.pages_reclaimed, 32);
  EXPECT_LT(events_.pages_reclaimed, 100);
}

TEST_F(MemoryPressureTest, KswapdReclaimsToTheHighMark) {
  const std::vector<FrameNumber> pages = Fill(Migratetype::kMovable);
  holders_.page_cache.assign(pages.begin(), pages.end());
  ASSERT_TRUE(allocator_.Allocate(Order(0), Migratetype::kUnmovable).has_value());
  ASSERT_TRUE(pressure_.IsKswapdWoken());
  pressure_.RunKswapd(0);
  EXPECT_FALSE(pressure_.IsKswapdWoken());
  EXPECT_GT(Highest().free, Highest().high_mark);
  EXPECT_LT(Highest().free, Highest().high_mark + FrameCount(64));
  EXPECT_EQ(events_.compact_success + events_.compact_fail, 0);
  EXPECT_EQ(events_.pages_moved, 0);
}

TEST_F(MemoryPressureTest, KcompactdMakesABlockOfTheOrderThatWokeKswapd) {
  for (FrameNumber page : Fragment(Migratetype::kMovable)) holders_.movable.insert(page.raw());
  TakeAll(kPageblockOrder);
  ASSERT_TRUE(allocator_.Allocate(kPageblockOrder, Migratetype::kUnmovable).has_value());
  ASSERT_FALSE(HasFreeBlock(kPageblockOrder));
  pressure_.RunKswapd(0);
  EXPECT_TRUE(HasFreeBlock(kPageblockOrder));
  EXPECT_EQ(events_.compact_success, 1);  // direct ones alone are counted
}

TEST_F(MemoryPressureTest, WithoutMemoryNothingHelps) {
  Fill(Migratetype::kMovable);
  for (unsigned order : {0, 1, 3, 4, 9, 10}) {
    EXPECT_FALSE(allocator_.Allocate(Order(order), Migratetype::kUnmovable).has_value()) << order;
  }
  pressure_.RunKswapd(0);
  EXPECT_EQ(events_.pages_reclaimed, 0);
}

// 512 MiB, 60 % of them ZONE_MOVABLE, which is free: of no use to a request that may not go there.
TEST(MemoryPressureMovableTest, RoomInZoneMovableDoesNotStopReclaimForOthers) {
  const auto machine = *Machine::Create(
      {.memory = *MemoryMap::Pc(uint64_t{512} << 20), .mapping = {}, .cpus = 2, .movable_per_mille = 600});
  PageAllocator& allocator = machine->allocator();
  EventCounters events;
  machine->ChargeTo(&events);
  Holders holders(&allocator);
  for (size_t before = 1; holders.page_cache.size() != before;) {
    before = holders.page_cache.size();
    while (const auto page = allocator.Allocate(Order(0), Migratetype::kUnmovable)) holders.page_cache.push_back(*page);
    allocator.DrainPerCpu();
  }
  MemoryPressure pressure(machine.get(), &holders);
  const size_t cached = holders.page_cache.size();
  // A movable page is there at once.
  EXPECT_TRUE(allocator.Allocate(kPageblockOrder, Migratetype::kMovable).has_value());
  EXPECT_FALSE(pressure.IsKswapdWoken());
  EXPECT_EQ(events.pages_reclaimed, 0);
  // Others need reclaim, a large block too, though ZONE_MOVABLE has it.
  const auto page = allocator.Allocate(Order(0), Migratetype::kUnmovable);
  ASSERT_TRUE(page.has_value());
  EXPECT_FALSE(allocator.InMovableZone(*page));
  EXPECT_EQ(events.pages_reclaimed, 32);
  const auto block = allocator.Allocate(kPageblockOrder, Migratetype::kUnmovable);
  EXPECT_TRUE(!block.has_value() || !allocator.InMovableZone(*block));
  EXPECT_GT(events.pages_reclaimed, 32);
  // So does kswapd, for whom zones up to Normal count alone.
  ASSERT_TRUE(pressure.IsKswapdWoken());
  pressure.RunKswapd(0);
  bool balanced = false;
  for (size_t zone = 0; zone < allocator.zones(); ++zone) {
    const ZoneInfo info = allocator.InfoOf(zone);
    balanced = balanced || (!info.movable && info.free > info.high_mark);
  }
  EXPECT_TRUE(balanced);
  EXPECT_LT(holders.page_cache.size(), cached - 64);
  EXPECT_OK(machine->CheckInvariants());
}

}  // namespace
}  // namespace dmfrag::model
