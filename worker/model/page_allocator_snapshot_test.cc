#include <random>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/model/page_allocator.h"

namespace dmfrag::model {
namespace {

constexpr uint64_t kMib = 1 << 20;

// An allocator some way into its life, and what it gave out.
struct Aged {
  explicit Aged(KernelRelease release) : rules(AllocatorRules::Of(release)), allocator(Memory(), 2, rules) {
    std::minstd_rand draws(7);
    for (int i = 0; i < 60000; ++i) {
      if (draws() % 3 != 0 || live.empty()) {
        const Order order(draws() % 8 == 0 ? draws() % 6 : 0);
        const auto block = allocator.Allocate(order, static_cast<Migratetype>(draws() % 3), draws() % 2);
        if (block.has_value()) live.push_back({*block, order});
      } else {
        std::swap(live[draws() % live.size()], live.back());
        allocator.Free(live.back().first, live.back().second, draws() % 2);
        live.pop_back();
      }
    }
  }
  static MemoryMap Memory() { return *MemoryMap::Pc(256 * kMib); }

  AllocatorRules rules;
  PageAllocator allocator;
  std::vector<std::pair<FrameNumber, Order>> live;
};

void ExpectSame(const AllocatorSnapshot& a, const AllocatorSnapshot& b) {
  ASSERT_EQ(a.zones.size(), b.zones.size());
  for (size_t i = 0; i < a.zones.size(); ++i) {
    EXPECT_EQ(a.zones[i].bounds, b.zones[i].bounds);
    EXPECT_EQ(a.zones[i].managed, b.zones[i].managed);
    EXPECT_EQ(a.zones[i].min_mark, b.zones[i].min_mark);
    EXPECT_EQ(a.zones[i].low_mark, b.zones[i].low_mark);
    EXPECT_TRUE(a.zones[i].free == b.zones[i].free);
    EXPECT_TRUE(a.zones[i].per_cpu == b.zones[i].per_cpu);
    EXPECT_TRUE(a.zones[i].block_types == b.zones[i].block_types);
  }
}

class SnapshotTest : public ::testing::TestWithParam<KernelRelease> {};

TEST_P(SnapshotTest, AnAllocatorFromASnapshotHasTheSameLists) {
  const Aged aged(GetParam());
  const AllocatorSnapshot snapshot = aged.allocator.Snapshot();
  const auto copy = PageAllocator::FromSnapshot(snapshot, aged.rules);
  ASSERT_OK(copy);
  EXPECT_OK((*copy)->CheckInvariants());
  EXPECT_EQ((*copy)->free_frames(), aged.allocator.free_frames());
  EXPECT_EQ((*copy)->allocated_frames(), aged.allocator.allocated_frames());
  ExpectSame((*copy)->Snapshot(), snapshot);
}

TEST_P(SnapshotTest, FramesInUseAtTheStartCanBeFreed) {
  const Aged aged(GetParam());
  auto copy = PageAllocator::FromSnapshot(aged.allocator.Snapshot(), aged.rules);
  ASSERT_OK(copy);
  for (const auto& [block, order] : aged.live) {
    EXPECT_EQ((*copy)->BlockOf(block).state, FrameState::kNone);
    (*copy)->Free(block, order, 1);
  }
  (*copy)->DrainPerCpu();
  EXPECT_OK((*copy)->CheckInvariants());
  EXPECT_EQ((*copy)->free_frames(), aged.allocator.managed_frames());
}

// Both go on alike, but for types of pages that only the first knows and for runs of frees and allocations.
TEST_P(SnapshotTest, GoesOnAsTheFirstWould) {
  Aged aged(GetParam());
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(aged.allocator.Allocate(Order(0), Migratetype::kUnmovable).has_value());
  auto copy = PageAllocator::FromSnapshot(aged.allocator.Snapshot(), aged.rules);
  ASSERT_OK(copy);
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ((*copy)->Allocate(Order(0), Migratetype::kUnmovable),
              aged.allocator.Allocate(Order(0), Migratetype::kUnmovable));
  }
}

INSTANTIATE_TEST_SUITE_P(Releases, SnapshotTest,
                         ::testing::Values(KernelRelease::k6_1, KernelRelease::k6_12, KernelRelease::k7_3));

// One zone of 8 MiB, empty but for `free`.
AllocatorSnapshot Small(std::vector<BlockList> free) {
  AllocatorSnapshot snapshot;
  ZoneSnapshot& zone = snapshot.zones.emplace_back();
  zone.bounds = {FrameNumber(4096), FrameNumber(6144)};
  zone.managed = FrameCount(2048);
  zone.free = std::move(free);
  zone.per_cpu.resize(1);
  return snapshot;
}

TEST(SnapshotErrorTest, ContradictionsAreNamed) {
  const auto error = [](const AllocatorSnapshot& snapshot) {
    return PageAllocator::FromSnapshot(snapshot, {}).status();
  };
  const auto list = [](unsigned order, std::vector<uint64_t> frames) {
    BlockList blocks{Order(order), Migratetype::kMovable, {}};
    for (uint64_t frame : frames) blocks.blocks.push_back(FrameNumber(frame));
    return blocks;
  };
  EXPECT_OK(error(Small({list(0, {4096})})));
  EXPECT_THAT(error({}).message(), ::testing::HasSubstr("at least one zone"));
  EXPECT_THAT(error(Small({list(0, {4096}), list(1, {4096})})).message(), ::testing::HasSubstr("free twice"));
  EXPECT_THAT(error(Small({list(1, {4097})})).message(), ::testing::HasSubstr("not aligned"));
  EXPECT_THAT(error(Small({list(0, {6144})})).message(), ::testing::HasSubstr("leaves its zone"));
  AllocatorSnapshot cpus = Small({});
  cpus.zones.push_back(cpus.zones.front());
  EXPECT_THAT(error(cpus).message(), ::testing::HasSubstr("out of order"));
  AllocatorSnapshot managed = Small({list(10, {4096, 5120})});
  managed.zones[0].managed = FrameCount(2000);
  EXPECT_THAT(error(managed).message(), ::testing::HasSubstr("but it manages 2000"));
}

// Reserves of the lower zones, which follow from what the higher ones manage, are those of the first allocator.
TEST(SnapshotStartTest, AFullMachineStopsAtTheSameWatermarks) {
  PageAllocator first(Aged::Memory(), 1, {});
  const auto copy = PageAllocator::FromSnapshot(first.Snapshot(), {});
  ASSERT_OK(copy);
  while (first.Allocate(Order(0), Migratetype::kMovable).has_value()) {
  }
  while ((*copy)->Allocate(Order(0), Migratetype::kMovable).has_value()) {
  }
  EXPECT_EQ((*copy)->allocated_frames(), first.allocated_frames());
}

TEST(FollowTest, PiecesOfABlockKeepItsType) {
  PageAllocator allocator(Aged::Memory(), 1, {});
  const FrameNumber block = *allocator.Allocate(Order(1), Migratetype::kUnmovable);
  allocator.SplitAllocated(block, Order(1));
  allocator.PutBack(block, Order(0));
  EXPECT_EQ(allocator.Allocate(Order(0), Migratetype::kUnmovable), block);
}

TEST(FollowTest, PartOfABlockOnAPerCpuListIsNotTaken) {
  PageAllocator allocator(Aged::Memory(), 1, {});
  const FrameNumber block = *allocator.Allocate(Order(1), Migratetype::kMovable);
  allocator.Free(block, Order(1));
  EXPECT_FALSE(allocator.Take(block, Order(0), Migratetype::kMovable));
  EXPECT_TRUE(allocator.Take(block, Order(1), Migratetype::kMovable));
}

TEST(FollowTest, AGivenFrameIsTakenOutOfALargerBlock) {
  auto allocator =
      PageAllocator::FromSnapshot(Small({BlockList{Order(4), Migratetype::kMovable, {FrameNumber(4096)}}}), {});
  ASSERT_OK(allocator);
  EXPECT_TRUE((*allocator)->Take(FrameNumber(4102), Order(1), Migratetype::kMovable));
  EXPECT_EQ((*allocator)->free_frames(), FrameCount(14));
  EXPECT_EQ((*allocator)->BlockOf(FrameNumber(4103)).state, FrameState::kAllocated);
  EXPECT_EQ((*allocator)->BlockOf(FrameNumber(4103)).first, FrameNumber(4102));
  EXPECT_EQ((*allocator)->BlockOf(FrameNumber(4111)).state, FrameState::kFree);
  EXPECT_FALSE((*allocator)->Take(FrameNumber(4100), Order(2), Migratetype::kMovable));
  EXPECT_OK((*allocator)->CheckInvariants());
  const std::vector<BlockList> lists = (*allocator)->Snapshot().zones[0].free;
  ASSERT_EQ(lists.size(), 3);
  EXPECT_EQ(lists[0].blocks, std::vector{FrameNumber(4100)});  // order 1
  EXPECT_EQ(lists[1].blocks, std::vector{FrameNumber(4096)});  // order 2
  EXPECT_EQ(lists[2].blocks, std::vector{FrameNumber(4104)});  // order 3
}

TEST(FollowTest, AGivenFrameIsTakenFromAPerCpuListAndPutBackFirst) {
  PageAllocator allocator(Aged::Memory(), 1, {});
  const auto first = allocator.Allocate(Order(0), Migratetype::kMovable);
  EXPECT_EQ(allocator.BlockOf(*first + FrameCount(5)).state, FrameState::kPerCpu);
  EXPECT_TRUE(allocator.Take(*first + FrameCount(5), Order(0), Migratetype::kMovable));
  EXPECT_FALSE(allocator.Take(*first + FrameCount(5), Order(0), Migratetype::kMovable));
  allocator.PutBack(*first, Order(0));
  EXPECT_OK(allocator.CheckInvariants());
  EXPECT_EQ(allocator.Allocate(Order(0), Migratetype::kMovable), first);
}

}  // namespace
}  // namespace dmfrag::model
