#include "worker/experiment/coalesce_restorer.h"

#include <memory>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::experiment {
namespace {

using model::CpaOutcome;
using model::FrameCount;
using model::FrameNumber;
using model::kFramesPer2M;
using model::kPageblockOrder;
using model::MapLevel;
using model::Migratetype;
using model::Order;
using workload::SimTime;

class CoalesceRestorerTest : public ::testing::Test {
 protected:
  CoalesceRestorerTest() { Use(model::TableSourceKind::kGrouped, /*restores_flags=*/false); }
  ~CoalesceRestorerTest() override { EXPECT_OK(machine_->CheckInvariants()); }

  void Use(model::TableSourceKind source, bool restores_flags) {
    restorer_ = nullptr;
    machine_ = *model::Machine::Create({.memory = *model::MemoryMap::Pc(uint64_t{256} << 20),
                                        .mapping = {},
                                        .cpus = 2,
                                        .table_source = source,
                                        .restore_global = restores_flags,
                                        .restore_dirty = restores_flags});
    events_ = {};
    machine_->ChargeTo(&events_);
    restorer_ = std::make_unique<CoalesceRestorer>(machine_.get());
  }

  // A block in use whose large page is split.
  FrameNumber SplitBlock() {
    const FrameNumber block = *machine_->allocator().Allocate(kPageblockOrder, Migratetype::kUnmovable);
    EXPECT_EQ(machine_->SetMemory4K({block, block + FrameCount(1)}), CpaOutcome::kDone);
    return block;
  }
  void Free(FrameNumber block) { machine_->allocator().Free(block, kPageblockOrder); }
  void PassTime(uint64_t us) { restorer_->PassTime(SimTime(us)); }
  MapLevel LevelOf(FrameNumber page) const { return machine_->direct_map().Lookup(page)->level; }

  model::EventCounters events_;
  std::unique_ptr<model::Machine> machine_;
  std::unique_ptr<CoalesceRestorer> restorer_;
};

TEST_F(CoalesceRestorerTest, AFreeBlockIsRestoredAfterAWhile) {
  const FrameNumber block = SplitBlock();
  PassTime(5000);
  Free(block);
  PassTime(5000 + CoalesceRestorer::kDelayUs - 1);
  EXPECT_EQ(LevelOf(block), MapLevel::k4K);
  PassTime(5000 + CoalesceRestorer::kDelayUs);
  EXPECT_EQ(LevelOf(block), MapLevel::k2M);
  EXPECT_EQ(events_.blocks_restored, 1);
  EXPECT_EQ(events_.collapses_2m, 1);
}

TEST_F(CoalesceRestorerTest, WhoeverTakesAPageInBetweenFindsThe4KEntries) {
  const FrameNumber block = SplitBlock();
  Free(block);
  ASSERT_TRUE(machine_->allocator().Take(block + FrameCount(77), Order(0), Migratetype::kMovable));
  PassTime(CoalesceRestorer::kDelayUs);
  EXPECT_EQ(LevelOf(block), MapLevel::k4K);
  EXPECT_EQ(events_.restores_lost, 1);
  EXPECT_EQ(events_.blocks_restored, 0);
  // It gets another chance once it is free again.
  machine_->allocator().Free(block + FrameCount(77), Order(0));
  machine_->allocator().DrainPerCpu();
  PassTime(3 * CoalesceRestorer::kDelayUs);
  EXPECT_EQ(events_.blocks_restored, 1);
}

TEST_F(CoalesceRestorerTest, WithoutGlobalABlockStays4K) {
  for (const bool restores_flags : {false, true}) {
    Use(model::TableSourceKind::kGrouped, restores_flags);
    const FrameNumber block = SplitBlock();
    ASSERT_EQ(machine_->SetDirectMapInvalidNoflush(block, FrameCount(1)), CpaOutcome::kDone);
    ASSERT_EQ(machine_->SetDirectMapDefaultNoflush(block, FrameCount(1)), CpaOutcome::kDone);
    Free(block);
    PassTime(CoalesceRestorer::kDelayUs);
    EXPECT_EQ(events_.blocks_restored, restores_flags ? 1 : 0);
    EXPECT_EQ(events_.restores_blocked, restores_flags ? 0 : 1);
    EXPECT_EQ(LevelOf(block), restores_flags ? MapLevel::k2M : MapLevel::k4K);
  }
}

TEST_F(CoalesceRestorerTest, ABlockThatHoldsItsOwnTableIsNeverFree) {
  Use(model::TableSourceKind::kBuddy, /*restores_flags=*/true);
  model::PageAllocator& allocator = machine_->allocator();
  // Page after page, as a user of single pages does it, until tables lie where pages do.
  std::vector<FrameNumber> pages;
  for (int i = 0; i < 1024; ++i) {
    pages.push_back(*allocator.Allocate(Order(0), Migratetype::kUnmovable));
    ASSERT_EQ(machine_->SetDirectMapInvalidNoflush(pages.back(), FrameCount(1)), CpaOutcome::kDone);
  }
  ASSERT_GT(events_.splits_2m, 0);
  ASSERT_EQ(events_.table_pages_in_split_block, events_.splits_2m);
  for (const FrameNumber page : pages) {
    ASSERT_EQ(machine_->SetDirectMapDefaultNoflush(page, FrameCount(1)), CpaOutcome::kDone);
    allocator.Free(page, Order(0));
  }
  allocator.DrainPerCpu();
  PassTime(CoalesceRestorer::kDelayUs);
  EXPECT_EQ(events_.blocks_restored + events_.restores_blocked + events_.restores_lost, 0);
}

TEST_F(CoalesceRestorerTest, TheOneUnderWhomTheBlockCoalescedIsCharged) {
  const FrameNumber block = SplitBlock();
  Free(block);
  model::EventCounters other;
  machine_->ChargeTo(&other);
  PassTime(CoalesceRestorer::kDelayUs);
  EXPECT_EQ(events_.blocks_restored, 1);
  EXPECT_EQ(other, model::EventCounters());
  EXPECT_EQ(&machine_->account(), &other);
}

}  // namespace
}  // namespace dmfrag::experiment
