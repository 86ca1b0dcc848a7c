// PageAllocator: ZONE_MOVABLE.
#include <algorithm>
#include <vector>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/model/page_allocator.h"

namespace dmfrag::model {
namespace {

constexpr uint64_t kGib = 1 << 30;
constexpr uint32_t kCpus = 4;

struct Layout {
  MemoryMap memory;
  NumaTopology topology;
  MovableMemory movable;
};

Layout Make(uint64_t gib, uint32_t nodes, uint32_t per_mille, uint64_t hotplugged_gib = 0) {
  const MemoryMap memory = *MemoryMap::Pc(gib * kGib);
  const NumaTopology topology = *NumaTopology::Even(memory, nodes, kCpus);
  const FrameCount hotplugged(hotplugged_gib * kFramesPer1G.raw());
  return {memory, topology, *MovableMemory::Of(memory, topology, per_mille, hotplugged)};
}

PageAllocator::ZoneInfo ZoneAt(const PageAllocator& allocator, FrameNumber frame) {
  for (size_t zone = 0; zone < allocator.zones(); ++zone) {
    if (allocator.InfoOf(zone).frames.Contains(frame)) return allocator.InfoOf(zone);
  }
  return {};
}

TEST(PageAllocatorMovableTest, MovablePagesGoThereFirstAndOthersNever) {
  for (const uint32_t nodes : {1, 2}) {
    const auto [memory, topology, movable] = Make(8, nodes, 250);
    PageAllocator allocator(memory, topology, {}, movable);
    EXPECT_EQ(allocator.zones(), nodes == 1 ? 4 : 6);
    EXPECT_TRUE(allocator.InMovableZone(*allocator.Allocate(Order(0), Migratetype::kMovable)));
    EXPECT_FALSE(allocator.InMovableZone(*allocator.Allocate(Order(0), Migratetype::kUnmovable)));
    EXPECT_FALSE(allocator.InMovableZone(*allocator.Allocate(kMaxOrder, Migratetype::kReclaimable)));
    // However far memory is filled by them.
    for (const unsigned order : {10, 9, 3, 0}) {
      const Migratetype type = order == 9 ? Migratetype::kReclaimable : Migratetype::kUnmovable;
      while (const auto block = allocator.Allocate(Order(order), type)) {
        ASSERT_FALSE(allocator.InMovableZone(*block));
      }
    }
    std::vector<FrameNumber> bulk;
    while (allocator.BulkAllocate(500, Migratetype::kUnmovable, 0, &bulk) > 0) {
    }
    EXPECT_TRUE(
        std::none_of(bulk.begin(), bulk.end(), [&](FrameNumber page) { return allocator.InMovableZone(page); }));
    EXPECT_OK(allocator.CheckInvariants());
    // The zone is as good as untouched, and still serves those it is for.
    EXPECT_TRUE(allocator.InMovableZone(*allocator.Allocate(kMaxOrder, Migratetype::kMovable)));
    EXPECT_EQ(allocator.BulkAllocate(10, Migratetype::kMovable, 0, &bulk), 10);
    EXPECT_TRUE(allocator.InMovableZone(bulk.back()));
  }
}

TEST(PageAllocatorMovableTest, MovablePagesUseTheOtherZonesWhenItIsFull) {
  const auto [memory, topology, movable] = Make(8, 1, 250);
  PageAllocator allocator(memory, topology, {}, movable);
  while (const auto block = allocator.Allocate(Order(0), Migratetype::kMovable)) {
    if (!allocator.InMovableZone(*block)) break;
  }
  const PageAllocator::ZoneInfo zone = allocator.InfoOf(3);
  EXPECT_TRUE(zone.movable);
  EXPECT_LE(zone.free, zone.low_mark);
  EXPECT_FALSE(allocator.InMovableZone(*allocator.Allocate(Order(0), Migratetype::kMovable)));
  EXPECT_OK(allocator.CheckInvariants());
}

TEST(PageAllocatorMovableTest, PlacedBlocksOfOtherTypesKeepOutOfIt) {
  const auto [memory, topology, movable] = Make(8, 1, 250);
  PageAllocator allocator(memory, topology, {}, movable);
  const FrameRange zone{movable.first_frames[0], memory.end()};
  EXPECT_EQ(allocator.TakeFreeBlockIn(zone, Order(3), Migratetype::kUnmovable), std::nullopt);
  EXPECT_EQ(allocator.TakeFreeBlockIn(zone, Order(3), Migratetype::kMovable), zone.first);
}

// A machine of 16 GiB with movablecore=12G, as the commit that capped the mark has it: WMARK_MIN of 1, 151, 233 and
// 1434 pages from 7,288 KiB before, and of 8, 709, 1113 and 128 from 7,326 KiB after. Its memory below 4 GiB had
// another layout, so that sums are compared.
TEST(PageAllocatorMovableTest, WatermarksAreThoseOfThePublishedExample) {
  const auto [memory, topology, movable] = Make(16, 1, 750);
  struct {
    KernelRelease release;
    uint64_t min_free_kib;
    uint64_t lowmem;
    uint64_t movable;
  } const cases[] = {{KernelRelease::k6_1, 7288, 1 + 151 + 233, 1434},
                     {KernelRelease::k6_12, 7326, 8 + 709 + 1113, 128}};
  for (const auto& [release, min_free_kib, lowmem, expected] : cases) {
    PageAllocator allocator(memory, topology, AllocatorRules::Of(release), movable);
    allocator.SetMinFreeKib(min_free_kib);
    const AllocatorSnapshot snapshot = allocator.Snapshot();
    ASSERT_EQ(snapshot.zones.size(), 4);
    uint64_t sum = 0;
    for (size_t zone = 0; zone < 3; ++zone) sum += snapshot.zones[zone].min_mark.raw();
    EXPECT_NEAR(static_cast<double>(sum), static_cast<double>(lowmem), 80);
    EXPECT_NEAR(static_cast<double>(snapshot.zones[3].min_mark.raw()), static_cast<double>(expected),
                release == KernelRelease::k6_1 ? 80 : 0);
  }
}

TEST(PageAllocatorMovableTest, LowmemIsReservedAgainstMovablePages) {
  const auto [memory, topology, movable] = Make(16, 1, 500);
  const PageAllocator allocator(memory, topology, {}, movable);
  const FrameCount managed = allocator.InfoOf(3).managed;
  EXPECT_EQ(allocator.InfoOf(2).movable_reserve, FrameCount(managed.raw() / 32));
  EXPECT_EQ(allocator.InfoOf(3).movable_reserve, FrameCount(0));
  EXPECT_NEAR(static_cast<double>(allocator.InfoOf(1).movable_reserve.raw()), static_cast<double>(managed.raw()) / 256,
              1);
}

TEST(PageAllocatorMovableTest, AddedMemoryIsOneZoneOfTheLastNode) {
  const auto [memory, topology, movable] = Make(2, 2, 0, 4);
  PageAllocator allocator(memory, topology, {}, movable);
  const PageAllocator::ZoneInfo zone = ZoneAt(allocator, movable.added.first);
  EXPECT_TRUE(zone.movable);
  EXPECT_EQ(zone.node, 1);
  EXPECT_EQ(zone.managed, FrameCount(4 * kFramesPer1G.raw()));
  EXPECT_EQ(zone.frames, movable.added);
  EXPECT_FALSE(ZoneAt(allocator, FrameNumber(300)).movable);
  // Nodes are asked before zones: one's own memory first.
  allocator.RunOn(0);
  EXPECT_FALSE(allocator.InMovableZone(*allocator.Allocate(Order(0), Migratetype::kMovable)));
  allocator.RunOn(3);
  EXPECT_TRUE(allocator.InMovableZone(*allocator.Allocate(Order(0), Migratetype::kMovable)));
  EXPECT_OK(allocator.CheckInvariants());
}

TEST(PageAllocatorMovableTest, GoesOnFromASnapshot) {
  const auto [memory, topology, movable] = Make(4, 1, 200, 1);
  PageAllocator allocator(memory, topology, {}, movable);
  const auto both = [](PageAllocator& one, PageAllocator& other) {
    for (int i = 0; i < 3000; ++i) {
      const auto type = static_cast<Migratetype>(i % 3);
      const Order order(static_cast<unsigned>(i % 5));
      const auto block = one.Allocate(order, type);
      ASSERT_EQ(other.Allocate(order, type), block);
    }
  };
  PageAllocator same(memory, topology, {}, movable);
  both(allocator, same);
  allocator.DrainPerCpu();
  auto copy = PageAllocator::FromSnapshot(allocator.Snapshot(), {});
  ASSERT_OK(copy);
  ASSERT_EQ((*copy)->zones(), allocator.zones());
  for (size_t zone = 0; zone < allocator.zones(); ++zone) {
    EXPECT_EQ((*copy)->InfoOf(zone).movable, allocator.InfoOf(zone).movable);
    EXPECT_EQ((*copy)->InfoOf(zone).low_mark, allocator.InfoOf(zone).low_mark);
    EXPECT_EQ((*copy)->InfoOf(zone).movable_reserve, allocator.InfoOf(zone).movable_reserve);
  }
  EXPECT_TRUE((*copy)->InMovableZone(*(*copy)->Allocate(Order(0), Migratetype::kMovable)));
  EXPECT_FALSE((*copy)->InMovableZone(*(*copy)->Allocate(Order(0), Migratetype::kUnmovable)));
  EXPECT_OK((*copy)->CheckInvariants());
}

TEST(PageAllocatorMovableTest, AnUnmovablePageInTheZoneIsFound) {
  const auto [memory, topology, movable] = Make(4, 1, 200);
  PageAllocator allocator(memory, topology, {}, movable);
  const FrameNumber page = *allocator.Allocate(Order(0), Migratetype::kMovable);
  allocator.Free(page, Order(0));
  allocator.DrainPerCpu();
  ASSERT_OK(allocator.CheckInvariants());
  // A replay may put any page anywhere.
  ASSERT_TRUE(allocator.Take(page, Order(0), Migratetype::kUnmovable));
  EXPECT_THAT(allocator.CheckInvariants(), StatusIs(absl::StatusCode::kInternal, ::testing::HasSubstr("ZONE_MOVABLE")));
}

}  // namespace
}  // namespace dmfrag::model
