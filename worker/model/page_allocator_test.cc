#include "worker/model/page_allocator.h"

#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

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
