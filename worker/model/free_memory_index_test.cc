#include "worker/model/free_memory_index.h"

#include <optional>
#include <vector>

#include "gtest/gtest.h"
#include "worker/model/allocator_rules.h"
#include "worker/model/memory_map.h"

namespace dmfrag::model {
namespace {

constexpr Order kLarge = kPageblockOrder;

PageAllocator MakeAllocator() {
  return PageAllocator(*MemoryMap::Pc(uint64_t{256} << 20), /*cpus=*/1, AllocatorRules::Of(KernelRelease::k6_12));
}

TEST(FreeMemoryIndexTest, AFreshMachineLosesItsEdgesAlone) {
  const PageAllocator allocator = MakeAllocator();
  // Frames 256 to 511 are half a block.
  EXPECT_EQ(UnusableFreePerMille(allocator, kLarge), 1000 * 256 / (65536 - 256));
  EXPECT_EQ(UnusableFreePerMille(allocator, Order(0)), 0);
}

TEST(FreeMemoryIndexTest, OnePageInEveryBlockMakesAllOfItUnusable) {
  PageAllocator allocator = MakeAllocator();
  std::vector<FrameNumber> pages;
  while (const std::optional<FrameNumber> page = allocator.Allocate(Order(0), Migratetype::kMovable)) {
    pages.push_back(*page);
  }
  allocator.DrainPerCpu();
  const int64_t full = UnusableFreePerMille(allocator, kLarge);
  for (const FrameNumber page : pages) {
    if (!page.IsAligned(kFramesPer2M)) allocator.Free(page, Order(0));
  }
  allocator.DrainPerCpu();
  // What the watermarks kept was never touched.
  EXPECT_LT(UnusableFreePerMille(allocator, kLarge), 1000);
  EXPECT_GT(UnusableFreePerMille(allocator, kLarge), 900);
  EXPECT_NEAR(static_cast<double>(UnusableFreePerMille(allocator, Order(7))), 250, 20);
  for (const FrameNumber page : pages) {
    if (page.IsAligned(kFramesPer2M)) allocator.Free(page, Order(0));
  }
  allocator.DrainPerCpu();
  EXPECT_LT(UnusableFreePerMille(allocator, kLarge), 10);
  EXPECT_GE(full, 0);
}

// One large free block is as many allocations as it has halves, quarters, ... of that order.
TEST(FreeMemoryIndexTest, LargeBlocksServeSeveralAllocations) {
  PageAllocator allocator = MakeAllocator();
  // 64512 frames from 1024 on, untouched since boot, and 256 to 511, 512 to 1023.
  EXPECT_EQ(AllocationsServed(allocator, kMaxOrder), 63);
  EXPECT_EQ(AllocationsServed(allocator, kLarge), 2 * 63 + 1);
  EXPECT_EQ(AllocationsServed(allocator, Order(8)), 4 * 63 + 2 + 1);
  EXPECT_EQ(AllocationsServed(allocator, Order(0)), allocator.free_frames().raw());
  // A page breaks one block of each order; those that it comes with lie on a per-CPU list, within the same block.
  const std::optional<FrameNumber> page = allocator.Allocate(Order(0), Migratetype::kMovable);
  ASSERT_TRUE(page.has_value());
  EXPECT_EQ(AllocationsServed(allocator, kLarge), 2 * 63 + 1 - 1);
  allocator.Free(*page, Order(0));
  EXPECT_EQ(AllocationsServed(allocator, kLarge), 2 * 63 + 1 - 1) << "what per-CPU lists hold is not on free lists";
  allocator.DrainPerCpu();
  EXPECT_EQ(AllocationsServed(allocator, kLarge), 2 * 63 + 1);
}

TEST(FreeMemoryIndexTest, NothingFreeCountsAsUnusable) {
  AllocatorSnapshot snapshot;
  ZoneSnapshot& zone = snapshot.zones.emplace_back();
  zone.bounds = {FrameNumber(1), FrameNumber(4096)};
  zone.managed = FrameCount(4000);
  zone.per_cpu.emplace_back();
  const auto allocator = PageAllocator::FromSnapshot(snapshot, AllocatorRules::Of(KernelRelease::k6_12));
  ASSERT_TRUE(allocator.ok());
  EXPECT_EQ(UnusableFreePerMille(**allocator, kLarge), 1000);
  EXPECT_EQ(AllocationsServed(**allocator, kLarge), 0);
}

}  // namespace
}  // namespace dmfrag::model
