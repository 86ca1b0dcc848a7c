#include "worker/model/page_allocator.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/model/allocator_snapshot.h"
#include "worker/model/coalesce_observer.h"

namespace dmfrag::model {
namespace {

constexpr uint64_t kMib = 1 << 20;
constexpr uint64_t kGib = 1 << 30;
constexpr uint32_t kCpus = 4;

MemoryMap Pc(uint64_t bytes) { return *MemoryMap::Pc(bytes); }

TEST(PageAllocatorTest, EverythingButTheIsaRangeIsFreeAtTheStart) {
  const PageAllocator allocator(Pc(kGib), kCpus, {});
  EXPECT_EQ(allocator.managed_frames(), FrameCount(262144 - 256));
  EXPECT_EQ(allocator.free_frames(), allocator.managed_frames());
  EXPECT_OK(allocator.CheckInvariants());
}

TEST(PageAllocatorTest, NeverGivesOutAFrameTwiceAndTakesAllBack) {
  PageAllocator allocator(Pc(256 * kMib), kCpus, {});
  std::set<FrameNumber> out;
  while (const auto frame = allocator.Allocate(Order(0), Migratetype::kMovable)) {
    ASSERT_TRUE(out.insert(*frame).second);
    ASSERT_GE(*frame, FrameNumber(256));
    ASSERT_LT(*frame, FrameNumber(65536));
  }
  EXPECT_GT(out.size(), 61000);  // all but the reserve below the watermarks, 5 % of memory at most
  EXPECT_OK(allocator.CheckInvariants());
  EXPECT_EQ(allocator.allocated_frames(), FrameCount(out.size()));
  for (FrameNumber frame : out) allocator.Free(frame, Order(0));
  allocator.DrainPerCpu();
  EXPECT_EQ(allocator.free_frames(), allocator.managed_frames());
  EXPECT_EQ(allocator.per_cpu_frames(), FrameCount(0));
  EXPECT_OK(allocator.CheckInvariants());
}

TEST(PageAllocatorTest, OwnersLastUntilThePageIsFreed) {
  PageAllocator allocator(Pc(256 * kMib), kCpus, {});
  const FrameNumber page = *allocator.Allocate(Order(0), Migratetype::kMovable);
  EXPECT_FALSE(allocator.OwnerOf(page).has_value());
  allocator.SetOwner(page, {3, 4});
  EXPECT_EQ(allocator.OwnerOf(page), (PageAllocator::PageOwner{3, 4}));
  allocator.ClearOwner(page);
  EXPECT_FALSE(allocator.OwnerOf(page).has_value());
  allocator.SetOwner(page, {5, 6});
  allocator.Free(page, Order(0));
  EXPECT_FALSE(allocator.OwnerOf(page).has_value());
  EXPECT_EQ(allocator.Allocate(Order(0), Migratetype::kMovable), page);
  EXPECT_FALSE(allocator.OwnerOf(page).has_value());
  EXPECT_FALSE(allocator.OwnerOf(FrameNumber(~uint64_t{0})).has_value());
  EXPECT_OK(allocator.CheckInvariants());
}

TEST(PageAllocatorTest, TheSlowPathIsAskedBelowTheLowMarkAndMayGoDownToTheMinimum) {
  class Counting : public SlowPath {
   public:
    explicit Counting(PageAllocator* allocator) : allocator_(allocator) {}
    std::optional<FrameNumber> AllocateSlowly(uint32_t node, Order order, Migratetype type, uint32_t cpu) override {
      ++asked;
      return allocator_->AllocateDownToMin(node, order, type, cpu);
    }
    uint64_t asked = 0;

   private:
    PageAllocator* allocator_;
  };
  PageAllocator allocator(Pc(256 * kMib), kCpus, {});
  Counting slow(&allocator);
  allocator.SetSlowPath(&slow);
  FrameCount at_first_asked;
  while (allocator.Allocate(Order(0), Migratetype::kUnmovable).has_value()) {
    if (slow.asked == 1) at_first_asked = allocator.InfoOf(1).free;
  }
  const PageAllocator::ZoneInfo zone = allocator.InfoOf(1);
  EXPECT_LE(at_first_asked, zone.low_mark);
  EXPECT_GT(at_first_asked + FrameCount(512), zone.low_mark);  // two batches below it at most
  EXPECT_LE(zone.free, zone.min_mark);
  EXPECT_EQ(zone.high_mark - zone.low_mark, zone.low_mark - zone.min_mark);
  EXPECT_EQ(zone.frames, (FrameRange{FrameNumber(4096), FrameNumber(65536)}));
  EXPECT_EQ(allocator.zones(), 2);
}

class Coalesced : public CoalesceObserver {
 public:
  void OnCoalesced(FrameNumber first, Order order) override { blocks.emplace_back(first, order); }
  std::vector<std::pair<FrameNumber, Order>> blocks;
};

TEST(PageAllocatorTest, TellsOfWholePageblocksOnceTheBuddyListsHaveThem) {
  PageAllocator allocator(Pc(256 * kMib), kCpus, {});
  Coalesced observer;
  allocator.ObserveCoalescing(&observer);
  const FrameNumber block = *allocator.Allocate(kMaxOrder, Migratetype::kUnmovable);
  const FrameNumber upper = block + kFramesPer2M;
  allocator.SplitAllocated(block, kMaxOrder);
  for (uint64_t i = 0; i < 512; ++i) allocator.Free(block + FrameCount(i), Order(0));
  allocator.DrainPerCpu();
  using Blocks = std::vector<std::pair<FrameNumber, Order>>;
  EXPECT_EQ(observer.blocks, (Blocks{{block, kPageblockOrder}}));
  // The last page of the other half joins both.
  for (uint64_t i = 1; i < 512; ++i) allocator.Free(upper + FrameCount(i), Order(0));
  allocator.DrainPerCpu();
  EXPECT_EQ(observer.blocks.size(), 1);
  allocator.Free(upper, Order(0));
  EXPECT_EQ(observer.blocks.size(), 1);  // it waits in a per-CPU list
  allocator.DrainPerCpu();
  EXPECT_EQ(observer.blocks, (Blocks{{block, kPageblockOrder}, {block, kMaxOrder}}));
  // Blocks that are freed whole have come together too, smaller ones have not.
  const FrameNumber whole = *allocator.Allocate(kMaxOrder, Migratetype::kUnmovable);
  const FrameNumber small = *allocator.Allocate(Order(8), Migratetype::kUnmovable);
  const FrameNumber neighbour = *allocator.Allocate(Order(8), Migratetype::kUnmovable);
  observer.blocks.clear();
  allocator.Free(small, Order(8));
  EXPECT_EQ(observer.blocks, Blocks{});
  allocator.Free(whole, kMaxOrder);
  EXPECT_EQ(observer.blocks, (Blocks{{whole, kMaxOrder}}));
  allocator.ObserveCoalescing(nullptr);
  allocator.Free(neighbour, Order(8));
  EXPECT_EQ(observer.blocks.size(), 1);
  EXPECT_OK(allocator.CheckInvariants());
}

// From the lists of a snapshot.
std::optional<FrameNumber> LowestFree(const PageAllocator& allocator, FrameRange range, Order order) {
  const AllocatorSnapshot snapshot = allocator.Snapshot();
  const FrameNumber from = range.first.AlignedUp(order.frames());
  std::optional<FrameNumber> lowest;
  for (size_t zone = 0; zone < allocator.zones(); ++zone) {
    const PageAllocator::ZoneInfo info = allocator.InfoOf(zone);
    if (info.free < info.min_mark + order.frames()) continue;
    for (const BlockList& list : snapshot.zones[zone].free) {
      for (const FrameNumber block : list.blocks) {
        const FrameNumber first = std::max(block, from);
        if (first + order.frames() > std::min(block + list.order.frames(), range.end)) continue;
        lowest = std::min(lowest.value_or(first), first);
      }
    }
  }
  return lowest;
}

TEST(PageAllocatorTest, TakesTheLowestFreeBlockOfARange) {
  PageAllocator allocator(Pc(256 * kMib), kCpus, {});
  std::vector<FrameNumber> pages;
  while (const auto page = allocator.Allocate(Order(0), Migratetype::kMovable)) pages.push_back(*page);
  uint64_t draw = 1;
  const auto below = [&draw](uint64_t limit) {
    draw = draw * 6364136223846793005u + 1442695040888963407u;
    return (draw >> 33) % limit;
  };
  // From a few free blocks, which are found by lists, to many, found by records.
  for (int round = 0; round < 40; ++round) {
    for (int i = 0; i < 1000 && !pages.empty(); ++i) {
      // Frames that lie together come free together, so that there are blocks of all orders.
      allocator.Free(pages.back(), Order(0));
      pages.pop_back();
      std::swap(pages[below(pages.size())], pages.back());
      if (round % 4 != 0) std::sort(pages.end() - std::min<int64_t>(600, std::ssize(pages)), pages.end());
    }
    allocator.DrainPerCpu();
    for (int i = 0; i < 20; ++i) {
      const FrameNumber first(below(65536));
      const FrameRange range{first, first + FrameCount(below(65536))};
      const Order order(static_cast<unsigned>(below(kOrders)));
      const std::optional<FrameNumber> expected = LowestFree(allocator, range, order);
      const std::optional<FrameNumber> block = allocator.TakeFreeBlockIn(range, order, Migratetype::kUnmovable);
      ASSERT_EQ(block, expected) << "round " << round << ", order " << order.raw();
      if (!block.has_value()) continue;
      EXPECT_EQ(allocator.BlockOf(*block).order, order);
      if (order >= kPageblockOrder) {
        EXPECT_EQ(allocator.PageblockType(*block), Migratetype::kUnmovable);
      }
      if (below(2) == 0) allocator.Free(*block, order);
      allocator.DrainPerCpu();
    }
    ASSERT_OK(allocator.CheckInvariants());
  }
}

TEST(PageAllocatorTest, MemoryThatWasNeverGivenOutCanBeTakenFromTheMiddle) {
  PageAllocator allocator(Pc(1024 * kGib), kCpus, {});
  const FrameCount free = allocator.free_frames();
  const FrameNumber gib(500 * kFramesPer1G.raw());
  const FrameRange range{gib + FrameCount(100), gib + kFramesPer1G};
  EXPECT_EQ(allocator.TakeFreeBlockIn(range, kPageblockOrder, Migratetype::kUnmovable), gib + kFramesPer2M);
  EXPECT_EQ(allocator.TakeFreeBlockIn(range, kPageblockOrder, Migratetype::kUnmovable),
            gib + FrameCount(2 * kFramesPer2M.raw()));
  EXPECT_EQ(allocator.TakeFreeBlockIn(range, Order(3), Migratetype::kUnmovable), gib + FrameCount(104));
  EXPECT_EQ(allocator.TakeFreeBlockIn({gib, gib + FrameCount(511)}, kPageblockOrder, Migratetype::kUnmovable),
            std::nullopt);
  EXPECT_EQ(allocator.TakeFreeBlockIn({gib, gib}, Order(0), Migratetype::kUnmovable), std::nullopt);
  EXPECT_EQ(allocator.free_frames(), free - FrameCount(2 * kFramesPer2M.raw() + 8));
  EXPECT_OK(allocator.CheckInvariants());
  // What is left of it is given out as ever.
  while (allocator.Allocate(kMaxOrder, Migratetype::kMovable).has_value()) {
    if (allocator.allocated_frames().raw() > 8192) break;
  }
  EXPECT_OK(allocator.CheckInvariants());
}

TEST(PageAllocatorTest, PlacedBlocksRespectTheMinimum) {
  PageAllocator allocator(Pc(256 * kMib), kCpus, {});
  const FrameRange all{FrameNumber(0), FrameNumber(65536)};
  while (allocator.TakeFreeBlockIn(all, Order(0), Migratetype::kMovable).has_value()) {
  }
  for (size_t zone = 0; zone < allocator.zones(); ++zone) {
    EXPECT_EQ(allocator.InfoOf(zone).free, allocator.InfoOf(zone).min_mark) << zone;
  }
  EXPECT_EQ(allocator.AllocateDownToMin(0, Order(0), Migratetype::kMovable, 0), std::nullopt);
  EXPECT_OK(allocator.CheckInvariants());
}

// Prediction 29 of the domain notes: drained and empty, everything has merged.
TEST(PageAllocatorTest, Prediction29AllBlocksAreWholeAfterADrain) {
  PageAllocator allocator(Pc(256 * kMib), kCpus, {});
  const uint64_t blocks = allocator.FreeBlocks(kMaxOrder);
  std::vector<FrameNumber> out;
  for (int i = 0; i < 20000; ++i) out.push_back(*allocator.Allocate(Order(0), Migratetype::kUnmovable));
  for (FrameNumber frame : out) allocator.Free(frame, Order(0));
  allocator.DrainPerCpu();
  EXPECT_EQ(allocator.FreeBlocks(kMaxOrder), blocks);
}

TEST(PageAllocatorTest, BlocksAreAlignedToTheirOrder) {
  PageAllocator allocator(Pc(kGib), kCpus, {});
  for (unsigned order = 0; order <= kMaxOrder.raw(); ++order) {
    const auto block = allocator.Allocate(Order(order), Migratetype::kUnmovable);
    ASSERT_TRUE(block.has_value());
    EXPECT_TRUE(block->IsAligned(Order(order).frames()));
  }
}

TEST(PageAllocatorTest, MinFreeKibSaysHowMuchIsKeptBack) {
  const auto left = [](std::optional<uint64_t> kib) {
    PageAllocator allocator(Pc(kGib), 1, AllocatorRules::Of(KernelRelease::k6_1));
    if (kib.has_value()) allocator.SetMinFreeKib(*kib);
    while (allocator.Allocate(Order(0), Migratetype::kMovable)) {
    }
    return allocator.free_frames().in_kib();
  };
  // DMA keeps 258,000 frames / 256 for DMA32 on top. Per zone a refill may go a batch below the mark.
  constexpr uint64_t kReserveKib = 258048 / 256 * 4;
  constexpr uint64_t kBatchesKib = 2 * 63 * 4;
  for (const uint64_t kib : {2000, 20000}) {
    EXPECT_LE(left(kib), kib + kReserveKib + 4);
    EXPECT_GE(left(kib) + kBatchesKib, kib + kReserveKib);
  }
  EXPECT_GT(left(std::nullopt), 40000);  // khugepaged's
}

TEST(PageAllocatorTest, MinFreeKibSetsMarksAsBootDoes) {
  PageAllocator allocator(Pc(kGib), 2, {});
  const AllocatorSnapshot before = allocator.Snapshot();
  allocator.SetMinFreeKib(2000);
  const AllocatorSnapshot after = allocator.Snapshot();
  for (size_t zone = 0; zone < before.zones.size(); ++zone) {
    EXPECT_LT(after.zones[zone].min_mark, before.zones[zone].min_mark);
    EXPECT_LT(after.zones[zone].low_mark, before.zones[zone].low_mark);
  }
  EXPECT_NEAR(static_cast<double>((after.zones[0].min_mark + after.zones[1].min_mark).raw()), 500, 2);
}

TEST(PageAllocatorTest, PrefersTheHighestZone) {
  PageAllocator allocator(Pc(5 * kGib), kCpus, {});
  EXPECT_GE(*allocator.Allocate(Order(0), Migratetype::kUnmovable), FrameNumber(1 << 20));
  PageAllocator small(Pc(kGib), kCpus, {});
  EXPECT_GE(*small.Allocate(Order(0), Migratetype::kUnmovable), FrameNumber(4096));
}

TEST(PageAllocatorTest, AFreedPageIsTheNextOneOut) {
  PageAllocator allocator(Pc(kGib), kCpus, {});
  const auto first = allocator.Allocate(Order(0), Migratetype::kUnmovable);
  allocator.Allocate(Order(0), Migratetype::kUnmovable);
  allocator.Free(*first, Order(0));
  EXPECT_EQ(allocator.Allocate(Order(0), Migratetype::kUnmovable), first);
}

TEST(PageAllocatorTest, NeighboursComeOneAfterTheOther) {
  PageAllocator allocator(Pc(kGib), kCpus, {});
  const FrameNumber first = *allocator.Allocate(Order(0), Migratetype::kUnmovable);
  for (uint64_t i = 1; i < 1000; ++i) {
    EXPECT_EQ(*allocator.Allocate(Order(0), Migratetype::kUnmovable), first + FrameCount(i));
  }
}

TEST(PageAllocatorTest, ASplitBlockIsFreedPageByPage) {
  PageAllocator allocator(Pc(kGib), kCpus, {});
  const auto block = allocator.Allocate(Order(9), Migratetype::kUnmovable);
  allocator.SplitAllocated(*block, Order(9));
  EXPECT_OK(allocator.CheckInvariants());
  for (uint64_t i = 0; i < 512; ++i) allocator.Free(*block + FrameCount(i), Order(0));
  allocator.DrainPerCpu();
  EXPECT_EQ(allocator.free_frames(), allocator.managed_frames());
}

TEST(PageAllocatorTest, PagesOfSeveralMigratetypesAreJoinedToABlockOfOne) {
  for (const Migratetype first : {Migratetype::kUnmovable, Migratetype::kMovable}) {
    PageAllocator allocator(Pc(kGib), kCpus, {});
    const FrameNumber block = *allocator.Allocate(Order(9), first);
    allocator.SplitAllocated(block, Order(9));
    // One of its pages has gone to somebody else in between.
    allocator.Free(block + FrameCount(7), Order(0));
    const Migratetype other = first == Migratetype::kMovable ? Migratetype::kUnmovable : Migratetype::kMovable;
    ASSERT_TRUE(allocator.Take(block + FrameCount(7), Order(0), other));
    allocator.JoinAllocated(block, Order(9));
    EXPECT_OK(allocator.CheckInvariants());
    allocator.Free(block, Order(9));
    EXPECT_OK(allocator.CheckInvariants());
    EXPECT_EQ(allocator.allocated_frames(), FrameCount(0));
  }
}

TEST(PageAllocatorTest, CountsTheWorkUnderTheZonesLock) {
  PageAllocator allocator(Pc(kGib), kCpus, {});
  Zone::LockedWork before = allocator.locked_work();
  // A large block is taken by itself, and freed so.
  const FrameNumber large = *allocator.Allocate(kMaxOrder, Migratetype::kMovable);
  EXPECT_EQ(allocator.locked_work().locks, before.locks + 1);
  EXPECT_EQ(allocator.locked_work().list_blocks, before.list_blocks + 1);
  allocator.Free(large, kMaxOrder);
  EXPECT_EQ(allocator.locked_work().locks, before.locks + 2);
  EXPECT_EQ(allocator.locked_work().list_blocks, before.list_blocks + 2);
  // A page comes with a batch of others, which then take no lock.
  before = allocator.locked_work();
  const FrameNumber page = *allocator.Allocate(Order(0), Migratetype::kMovable);
  EXPECT_EQ(allocator.locked_work().locks, before.locks + 1);
  EXPECT_GT(allocator.locked_work().list_blocks, before.list_blocks + 20);
  before = allocator.locked_work();
  allocator.Free(*allocator.Allocate(Order(0), Migratetype::kMovable), Order(0));
  allocator.Free(page, Order(0));
  EXPECT_EQ(allocator.locked_work().locks, before.locks);
  EXPECT_EQ(allocator.locked_work().list_blocks, before.list_blocks);
}

TEST(PageAllocatorTest, MarksBelongToPageblocks) {
  PageAllocator allocator(Pc(kGib), kCpus, {});
  const auto block = allocator.Allocate(Order(10), Migratetype::kUnmovable);
  allocator.SetPageblockMark(*block, 3);
  EXPECT_EQ(allocator.PageblockMark(*block + FrameCount(511)), 3);
  EXPECT_EQ(allocator.PageblockMark(*block + FrameCount(512)), 0);
}

TEST(PageAllocatorTest, UntouchedMemoryOfAHugeMachineCostsLittle) {
  PageAllocator allocator(Pc(uint64_t{64} << 40), kCpus, {});
  EXPECT_EQ(allocator.FreeBlocks(kMaxOrder), (uint64_t{1} << 24) - 1);
  ASSERT_TRUE(allocator.Allocate(Order(0), Migratetype::kUnmovable).has_value());
  EXPECT_OK(allocator.CheckInvariants());
}

TEST(PageAllocatorTest, AMachineWithoutManagedMemoryHasNothingToGive) {
  PageAllocator allocator(*MemoryMap::FromUsableRanges({{0, 512 * 1024}}), kCpus, {});
  EXPECT_FALSE(allocator.Allocate(Order(0), Migratetype::kMovable).has_value());
  EXPECT_OK(allocator.CheckInvariants());
}

// Measured on 1 GiB machines: min 11,085 to 11,087 and low 13,856 to 13,858 in DMA32, 176 to 178 in DMA, of 11,264 in
// all: khugepaged's two pageblocks and nine more for each zone.
TEST(PageAllocatorTest, WatermarksKeepBlocksOfEachTypeFree) {
  const PageAllocator allocator(Pc(kGib), kCpus, {});
  const AllocatorSnapshot snapshot = allocator.Snapshot();
  ASSERT_EQ(snapshot.zones.size(), 2);
  EXPECT_EQ(snapshot.zones[0].min_mark, FrameCount(165));
  EXPECT_EQ(snapshot.zones[1].min_mark, FrameCount(11098));
  EXPECT_EQ(snapshot.zones[1].low_mark, FrameCount(13872));
}

TEST(PageAllocatorTest, WatermarksOfASmallMachineKeepATwentiethAtMost) {
  const PageAllocator allocator(Pc(128 * kMib), kCpus, {});
  FrameCount reserve;
  for (const ZoneSnapshot& zone : allocator.Snapshot().zones) reserve += zone.min_mark;
  EXPECT_GT(reserve, FrameCount(32768 / 22));
  EXPECT_LE(reserve, FrameCount(32768 / 20));
}

TEST(PageAllocatorTest, ProcessorsHaveListsOfTheirOwn) {
  PageAllocator allocator(Pc(kGib), 2, {});
  const auto first = allocator.Allocate(Order(0), Migratetype::kUnmovable, 0);
  const auto other = allocator.Allocate(Order(0), Migratetype::kUnmovable, 1);
  EXPECT_GE(*other - *first, FrameCount(63));  // processor 0 took a batch
  allocator.Free(*first, Order(0), 1);
  EXPECT_EQ(allocator.Allocate(Order(0), Migratetype::kUnmovable, 0), *first + FrameCount(1));
  EXPECT_EQ(allocator.Allocate(Order(0), Migratetype::kUnmovable, 1), first);
  EXPECT_OK(allocator.CheckInvariants());
  allocator.Free(*other, Order(0), 0);
  allocator.DrainPerCpu();
  EXPECT_EQ(allocator.per_cpu_frames(), FrameCount(0));
  EXPECT_OK(allocator.CheckInvariants());
}

TEST(PageAllocatorTest, BulkTakesWhatSingleAllocationsWouldHaveGot) {
  PageAllocator bulk(Pc(kGib), kCpus, {});
  PageAllocator single(Pc(kGib), kCpus, {});
  std::vector<FrameNumber> frames;
  EXPECT_EQ(bulk.BulkAllocate(100, Migratetype::kUnmovable, 3, &frames), 100);
  for (FrameNumber frame : frames) EXPECT_EQ(single.Allocate(Order(0), Migratetype::kUnmovable, 3), frame);
  EXPECT_EQ(bulk.allocated_frames(), FrameCount(100));
  EXPECT_OK(bulk.CheckInvariants());
}

TEST(PageAllocatorTest, BulkStopsAtTheWatermark) {
  PageAllocator allocator(Pc(128 * kMib), kCpus, {});
  std::vector<FrameNumber> frames;
  EXPECT_EQ(allocator.BulkAllocate(40000, Migratetype::kUnmovable, 0, &frames), 0);
  EXPECT_TRUE(frames.empty());
}

// One zone with these free blocks of `order`, and a low watermark of 100 frames.
AllocatorSnapshot OneZone(Order order, uint64_t blocks) {
  AllocatorSnapshot snapshot;
  ZoneSnapshot& zone = snapshot.zones.emplace_back();
  zone.bounds = {FrameNumber(4096), FrameNumber(8192)};
  zone.managed = FrameCount(4096);
  zone.low_mark = FrameCount(100);
  zone.per_cpu.push_back({.high = 300, .batch = 63, .lists = {}});
  zone.block_types = {{FrameNumber(4096), 8, Migratetype::kMovable}};
  BlockList& list = zone.free.emplace_back(BlockList{order, Migratetype::kMovable, {}});
  for (uint64_t i = 0; i < blocks; ++i) list.blocks.push_back(FrameNumber(4096 + 4 * i));
  return snapshot;
}

// zone_watermark_fast: more than the mark must be left.
TEST(PageAllocatorTest, BulkLeavesMoreThanTheLowWatermark) {
  const auto allocator = *PageAllocator::FromSnapshot(OneZone(Order(0), 150), {});
  std::vector<FrameNumber> frames;
  EXPECT_EQ(allocator->BulkAllocate(50, Migratetype::kMovable, 0, &frames), 0);
  EXPECT_EQ(allocator->BulkAllocate(49, Migratetype::kMovable, 0, &frames), 49);
}

// __zone_watermark_ok: a block of the order must be free in the zone, whatever the per-CPU lists hold.
TEST(PageAllocatorTest, AZoneWithoutALargeEnoughBlockIsPassedOver) {
  AllocatorSnapshot snapshot = OneZone(Order(0), 500);
  snapshot.zones[0].per_cpu[0].lists.push_back({Order(1), Migratetype::kMovable, {FrameNumber(8000)}});
  const auto without = *PageAllocator::FromSnapshot(snapshot, {});
  EXPECT_EQ(without->Allocate(Order(1), Migratetype::kMovable), std::nullopt);
  snapshot.zones[0].free.push_back({Order(1), Migratetype::kUnmovable, {FrameNumber(8002)}});
  const auto with = *PageAllocator::FromSnapshot(snapshot, {});
  EXPECT_EQ(with->Allocate(Order(1), Migratetype::kMovable), FrameNumber(8000));
}

TEST(PageAllocatorTest, AZoneHasABlockIfItHasALargerOne) {
  PageAllocator allocator(*MemoryMap::Pc(uint64_t{1} << 30), 1, AllocatorRules());
  ASSERT_EQ(allocator.zones(), 2);
  EXPECT_TRUE(allocator.HasFreeBlock(0, kMaxOrder));
  EXPECT_TRUE(allocator.HasFreeBlock(0, Order(0)));
  AllocatorSnapshot snapshot = OneZone(Order(2), 500);
  const auto small = *PageAllocator::FromSnapshot(snapshot, {});
  EXPECT_TRUE(small->HasFreeBlock(0, Order(0)));
  EXPECT_TRUE(small->HasFreeBlock(0, Order(2)));
  EXPECT_FALSE(small->HasFreeBlock(0, Order(3)));
  snapshot.zones[0].free.clear();
  EXPECT_FALSE((*PageAllocator::FromSnapshot(snapshot, {}))->HasFreeBlock(0, Order(0)));
}

TEST(PageAllocatorTest, TellsAZonesFreeBlocksAndAFramesPageblockType) {
  PageAllocator allocator(*MemoryMap::Pc(uint64_t{1} << 30), 1, AllocatorRules());
  const FrameNumber dma(4000), dma32(5000);
  EXPECT_EQ(allocator.FreeBlocksInZoneOf(dma, kMaxOrder), 3);
  EXPECT_EQ(allocator.FreeBlocksInZoneOf(dma, kMaxOrder) + allocator.FreeBlocksInZoneOf(dma32, kMaxOrder),
            allocator.FreeBlocks(kMaxOrder));
  const auto movable = allocator.Allocate(Order(0), Migratetype::kMovable);
  const auto unmovable = allocator.Allocate(Order(0), Migratetype::kUnmovable);
  ASSERT_TRUE(movable.has_value() && unmovable.has_value());
  EXPECT_EQ(allocator.PageblockType(*movable), Migratetype::kMovable);
  EXPECT_EQ(allocator.PageblockType(*unmovable), Migratetype::kUnmovable);
}

}  // namespace
}  // namespace dmfrag::model
