#include "worker/experiment/restorable_blocks.h"

#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "worker/model/machine.h"

namespace dmfrag::experiment {
namespace {

using model::FrameCount;
using model::FrameNumber;
using model::Order;

constexpr model::Migratetype kType = model::Migratetype::kUnmovable;

std::unique_ptr<model::Machine> MakeMachine(model::TableSourceKind source) {
  return *model::Machine::Create(
      {.memory = *model::MemoryMap::Pc(uint64_t{1} << 29), .mapping = {}, .cpus = 1, .table_source = source});
}

uint64_t Count(const model::Machine& machine) {
  return CountRestorableBlocks(machine.direct_map(), machine.allocator());
}

TEST(RestorableBlocksTest, ABlockCountsWhenItIsSplitAndFreeAsAWhole) {
  const auto machine = MakeMachine(model::TableSourceKind::kGrouped);
  const FrameNumber block = *machine->allocator().Allocate(model::kPageblockOrder, kType);
  EXPECT_EQ(Count(*machine), 0U);
  ASSERT_EQ(machine->SetDirectMapInvalidNoflush(block, FrameCount(1)), model::CpaOutcome::kDone);
  EXPECT_EQ(Count(*machine), 0U);  // in use
  machine->allocator().SplitAllocated(block, model::kPageblockOrder);
  for (uint64_t i = 0; i < 511; ++i) machine->allocator().Free(block + FrameCount(i), Order(0));
  EXPECT_EQ(Count(*machine), 0U);
  machine->allocator().Free(block + FrameCount(511), Order(0));
  EXPECT_EQ(Count(*machine), 1U);  // some of it on a per-CPU list
  machine->allocator().DrainPerCpu();
  EXPECT_EQ(Count(*machine), 1U);  // part of a larger free block
}

TEST(RestorableBlocksTest, ABlockThatHoldsItsOwnTableNeverCounts) {
  const auto machine = MakeMachine(model::TableSourceKind::kBuddy);
  std::vector<FrameNumber> pages;
  for (int i = 0; i < 3; ++i) pages.push_back(*machine->allocator().Allocate(Order(0), kType));
  ASSERT_EQ(machine->SetDirectMapInvalidNoflush(pages[0], FrameCount(1)), model::CpaOutcome::kDone);
  for (const FrameNumber page : pages) machine->allocator().Free(page, Order(0));
  machine->allocator().DrainPerCpu();
  EXPECT_EQ(machine->allocator().allocated_frames(), FrameCount(1));
  EXPECT_EQ(Count(*machine), 0U);
}

// With debug_pagealloc every entry is 4K from boot on: nothing was ever whole.
TEST(RestorableBlocksTest, BlocksThatBootMappedBy4KDoNotCount) {
  const auto machine = *model::Machine::Create(
      {.memory = *model::MemoryMap::Pc(uint64_t{1} << 29), .mapping = {.debug_pagealloc = true}, .cpus = 1});
  const FrameNumber page = *machine->allocator().Allocate(Order(0), kType);
  ASSERT_EQ(machine->SetDirectMapInvalidNoflush(page, FrameCount(1)), model::CpaOutcome::kDone);
  machine->allocator().Free(page, Order(0));
  machine->allocator().DrainPerCpu();
  EXPECT_EQ(Count(*machine), 0U);
}

}  // namespace
}  // namespace dmfrag::experiment
