#include "worker/policy/block_source.h"

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::policy {
namespace {

using model::FrameCount;
using model::FrameNumber;
using model::FrameRange;
using model::kFramesPer1G;
using model::kFramesPer2M;
using model::MapLevel;
using model::Migratetype;
using model::Order;
using Placement = CacheOptions::Placement;

class BlockSourceTest : public ::testing::Test {
 protected:
  explicit BlockSourceTest(uint64_t gib = 1)
      : machine_(*model::Machine::Create({.memory = *model::MemoryMap::Pc(gib << 30), .mapping = {}, .cpus = 4})) {
    machine_->ChargeTo(&events_);
  }
  ~BlockSourceTest() override { EXPECT_OK(machine_->CheckInvariants()); }

  // What is left are blocks of four pages.
  void LeaveBlocksOfFour() {
    std::vector<FrameNumber> all;
    for (unsigned order = 10; order >= 2; --order) {
      while (const auto block = machine_->allocator().Allocate(Order(order), Migratetype::kUnmovable)) {
        machine_->allocator().SplitAllocated(*block, Order(order), Order(2));
        for (FrameCount i; i < Order(order).frames(); i += FrameCount(4)) all.push_back(*block + i);
      }
    }
    for (const FrameNumber block : all) {
      if (block.raw() % 8 == 0) machine_->allocator().Free(block, Order(2));
    }
    machine_->allocator().DrainPerCpu();
    // Larger ones that watermarks had kept.
    for (unsigned order = 10; order > 2; --order) {
      while (machine_->allocator().Allocate(Order(order), Migratetype::kUnmovable).has_value()) {
      }
    }
  }
  // The one run that is taken.
  FrameRange Take(BlockSource& source, Order order = Order(0)) {
    const std::vector<FrameRange> taken = source.Take(order, Migratetype::kUnmovable);
    EXPECT_LE(taken.size(), 1U);
    return taken.empty() ? FrameRange() : taken[0];
  }

  model::EventCounters events_;
  std::unique_ptr<model::Machine> machine_;
};

class LargeBlockSourceTest : public BlockSourceTest {
 protected:
  LargeBlockSourceTest() : BlockSourceTest(4) {}
};

TEST_F(BlockSourceTest, ARefillIsABlockOfItsOrderOrAsLargeAsWanted) {
  const auto source = MakeRefillSource(machine_.get(), {.refill_order = Order(4)}, SmallerOrders::kNone);
  EXPECT_EQ(Take(*source).count(), FrameCount(16));
  EXPECT_EQ(Take(*source, Order(6)).count(), FrameCount(64));
  EXPECT_EQ(events_.refills_failed, 0);
  EXPECT_EQ(machine_->allocator().allocated_frames(), FrameCount(80));
}

TEST_F(BlockSourceTest, WithoutABlockOfItsOrderARefillIsASmallerOne) {
  LeaveBlocksOfFour();
  EXPECT_EQ(Take(*MakeRefillSource(machine_.get(), {}, SmallerOrders::kAll)).count(), FrameCount(4));
  EXPECT_EQ(events_.refills_failed, 1);
  EXPECT_EQ(Take(*MakeRefillSource(machine_.get(), {}, SmallerOrders::kOnlyWanted)).count(), FrameCount(1));
  EXPECT_EQ(events_.refills_failed, 2);
  EXPECT_TRUE(Take(*MakeRefillSource(machine_.get(), {}, SmallerOrders::kNone)).empty());
  EXPECT_EQ(events_.refills_failed, 3);
  // What is not larger than wanted has not failed by being small.
  EXPECT_TRUE(Take(*MakeRefillSource(machine_.get(), {}, SmallerOrders::kAll), Order(9)).empty());
  EXPECT_EQ(events_.refills_failed, 3);
}

TEST_F(BlockSourceTest, ABoundedRegionIsTheEndOfMemoryUntilItIsFull) {
  const auto source = MakeRefillSource(machine_.get(), {.placement = Placement::kBoundedRegion, .region_per_mille = 50},
                                       SmallerOrders::kNone);
  const FrameNumber end = machine_->direct_map().end();
  const FrameNumber region = FrameNumber(end.raw() - (262144 - 256) / 1000 * 50).AlignedDown(kFramesPer2M);
  for (FrameNumber block = region; block < end; block = block + kFramesPer2M) {
    EXPECT_EQ(Take(*source).first, block);
  }
  EXPECT_LT(Take(*source).first, region);
}

TEST_F(LargeBlockSourceTest, AGibWhose1GPageIsSplitIsPreferred) {
  FrameNumber whole_gib;
  for (FrameNumber gib(0); gib < machine_->direct_map().end(); gib = gib + kFramesPer1G) {
    const auto leaf = machine_->direct_map().Lookup(gib);
    if (leaf.has_value() && leaf->level == MapLevel::k1G) whole_gib = gib;
  }
  ASSERT_GT(whole_gib, FrameNumber(0));
  const auto source = MakeRefillSource(machine_.get(), {.placement = Placement::kPreferSplitGib}, SmallerOrders::kNone);
  const auto level_at_its_gib = [&] {
    return machine_->direct_map().Lookup(Take(*source).first.AlignedDown(kFramesPer1G))->level;
  };
  // Blocks of the others first.
  uint64_t elsewhere = 0;
  while (level_at_its_gib() != MapLevel::k1G) ++elsewhere;
  EXPECT_GT(elsewhere, 500U);
  // Once another one is split, its blocks are next.
  ASSERT_EQ(machine_->SetMemory4K({whole_gib, whole_gib + FrameCount(1)}), model::CpaOutcome::kDone);
  for (int i = 0; i < 400; ++i) ASSERT_EQ(Take(*source).first.AlignedDown(kFramesPer1G), whole_gib);
}

TEST_F(BlockSourceTest, APageblockIsTakenWithAllItsFreePages) {
  const FrameNumber used = *machine_->allocator().Allocate(Order(3), Migratetype::kUnmovable);
  const FrameNumber block = used.AlignedDown(kFramesPer2M);
  const auto source = MakePageblockSource(machine_.get());
  const std::vector<FrameRange> taken = source->Take(Order(2), Migratetype::kUnmovable);
  ASSERT_FALSE(taken.empty());
  EXPECT_EQ(taken[0].count(), FrameCount(4));
  uint64_t pages = 0;
  for (const FrameRange& run : taken) {
    EXPECT_EQ(run.first.AlignedDown(kFramesPer2M), block);
    pages += run.count().raw();
  }
  EXPECT_EQ(pages + machine_->allocator().per_cpu_frames().raw(), 504U);
  EXPECT_EQ(machine_->allocator().allocated_frames().raw(), pages + 8);
}

}  // namespace
}  // namespace dmfrag::policy
