#include "worker/model/machine.h"

#include <optional>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/model/collapse_obstacle.h"
#include "worker/model/entry_flags.h"
#include "worker/model/event_counters.h"
#include "worker/model/table_page_source.h"

namespace dmfrag::model {
namespace {

std::unique_ptr<Machine> Boot(uint64_t gib, KernelRelease release = KernelRelease::k6_12) {
  return *Machine::Create({.memory = *MemoryMap::Pc(gib << 30), .mapping = {}, .cpus = 4, .cpa_release = release});
}

// mm/secretmem.c secretmem_fault.
FrameNumber SecretPage(Machine& machine) {
  const FrameNumber page = *machine.allocator().Allocate(Order(0), Migratetype::kUnmovable);
  EXPECT_EQ(machine.SetDirectMapInvalidNoflush(page, FrameCount(1)), CpaOutcome::kDone);
  machine.FlushTlbKernelRange(FrameCount(1));
  return page;
}

TEST(MachineTest, RefusesOddProcessorCounts) {
  for (uint32_t cpus : {0, 4097}) {
    EXPECT_THAT(Machine::Create({.memory = *MemoryMap::Pc(1 << 30), .mapping = {}, .cpus = cpus}),
                StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("processors")));
  }
}

TEST(MachineTest, RefusesNodesWithoutProcessors) {
  EXPECT_THAT(Machine::Create({.memory = *MemoryMap::Pc(1 << 30), .mapping = {}, .cpus = 2, .numa_nodes = 4}),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("4 NUMA nodes but 2 processors")));
}

// Measured: pages follow the processor's node, and so do tables of their splits (231 of 239).
TEST(MachineTest, PagesAndTablesOfSplitsAreOfTheProcessorsNode) {
  auto machine =
      *Machine::Create({.memory = *MemoryMap::Pc(uint64_t{8} << 30), .mapping = {}, .cpus = 4, .numa_nodes = 2});
  EventCounters events;
  machine->ChargeTo(&events);
  const FrameNumber node1(uint64_t{5} << 18);
  for (uint32_t i = 0; i < 20000; ++i) {
    machine->allocator().RunOn(i % 4);
    EXPECT_EQ(SecretPage(*machine) >= node1, i % 4 >= 2);
  }
  EXPECT_GT(events.splits_2m, 30);
  EXPECT_EQ(events.table_pages_in_split_block, events.splits_2m);
  EXPECT_OK(machine->CheckInvariants());
}

// The seed letter's observation, and prediction 18: it emerges from the allocator's list order.
TEST(MachineTest, Prediction18OnAFreshMachineTablesLieInTheBlockTheySplit) {
  auto machine = Boot(2);
  EventCounters events;
  machine->ChargeTo(&events);
  for (int i = 0; i < 50000; ++i) SecretPage(*machine);
  // 511 secret pages and their own table to a block.
  EXPECT_EQ(events.splits_2m, (50000 + 510) / 511);
  EXPECT_EQ(events.table_pages_in_split_block, events.splits_2m);
  EXPECT_OK(machine->CheckInvariants());
}

// Measured on 2 to 8 processors: (faults + splits) x (processors - 1) interrupts, none for a free.
TEST(MachineTest, SecretFaultsInterruptOncePlusOncePerSplit) {
  auto machine = Boot(2);
  EventCounters events;
  machine->ChargeTo(&events);
  std::vector<FrameNumber> pages;
  for (int i = 0; i < 1000; ++i) pages.push_back(SecretPage(*machine));
  EXPECT_EQ(events.flush_ipis, (1000 + events.splits_2m + events.splits_1g) * 3);
  const int64_t before = events.flush_ipis;
  for (FrameNumber page : pages) {
    EXPECT_EQ(machine->SetDirectMapDefaultNoflush(page, FrameCount(1)), CpaOutcome::kDone);
    machine->allocator().Free(page, Order(0));
  }
  EXPECT_EQ(events.flush_ipis, before);
}

// What a machine has been: lists, map and counters.
MachineStart StartFrom(const Machine& machine) {
  return {machine.allocator().Snapshot(), machine.direct_map(), machine.direct_map_counters()};
}

MachineConfig Config(uint64_t gib, uint32_t cpus) {
  return {.memory = *MemoryMap::Pc(gib << 30), .mapping = {}, .cpus = cpus};
}

TEST(MachineTest, AMachineGoesOnFromAnothersState) {
  auto machine = Boot(2);
  for (int i = 0; i < 3000; ++i) SecretPage(*machine);
  auto copy = Machine::Start(Config(2, 4), StartFrom(*machine));
  ASSERT_OK(copy);
  EXPECT_EQ((*copy)->direct_map_counters(), machine->direct_map_counters());
  EXPECT_EQ((*copy)->allocator().allocated_frames(), machine->allocator().allocated_frames());
  EventCounters events;
  (*copy)->ChargeTo(&events);
  for (int i = 0; i < 3000; ++i) EXPECT_EQ(SecretPage(**copy), SecretPage(*machine));
  EXPECT_EQ((*copy)->direct_map_counters(), machine->direct_map_counters());
  // Events are counted from the start on, counters go on from where they stood.
  EXPECT_LT(events.splits_2m, static_cast<int64_t>(machine->direct_map_counters().level2_splits));
  EXPECT_OK((*copy)->CheckInvariants());
}

TEST(MachineTest, RefusesAStartOfAnotherMachine) {
  const auto machine = Boot(1);
  EXPECT_THAT(Machine::Start(Config(1, 2), StartFrom(*machine)),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("lists of 4")));
  MachineStart empty = StartFrom(*machine);
  empty.allocator.zones.clear();
  EXPECT_THAT(Machine::Start(Config(1, 4), empty),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("at least one zone")));
}

TEST(MachineTest, AddedMemoryIsMappedInLargePagesAndIsForMovablePagesAlone) {
  const FrameCount added(3 * kFramesPer1G.raw() / 2);
  const auto plain = Boot(2);
  const auto machine =
      *Machine::Create({.memory = *MemoryMap::Pc(uint64_t{2} << 30), .mapping = {}, .cpus = 4, .hotplugged = added});
  const LeafCounts before = plain->direct_map().counts();
  const LeafCounts after = machine->direct_map().counts();
  EXPECT_EQ(after.pages_1g - before.pages_1g, 1);
  EXPECT_EQ(after.pages_2m - before.pages_2m, 256);
  EXPECT_EQ(after.pages_4k, before.pages_4k);
  EXPECT_EQ(machine->direct_map_counters().pages_2m, plain->direct_map_counters().pages_2m + 256);
  EXPECT_EQ(machine->allocator().managed_frames(), plain->allocator().managed_frames() + added);
  // A 2M page of struct pages for each of 12 sections, from memory that was there.
  EXPECT_EQ(machine->allocator().allocated_frames(), FrameCount(12 * 512));
  EXPECT_GE(*machine->allocator().Allocate(Order(0), Migratetype::kMovable), FrameNumber(1 << 20));
  EXPECT_LT(SecretPage(*machine), FrameNumber(1 << 20));
  EXPECT_OK(machine->CheckInvariants());
}

TEST(MachineTest, AddedMemoryNeedsRoomForItsStructPages) {
  const auto create = [](uint64_t gib) {
    return Machine::Create({.memory = *MemoryMap::Pc(1 << 30),
                            .mapping = {},
                            .cpus = 4,
                            .hotplugged = FrameCount(gib * kFramesPer1G.raw())})
        .status();
  };
  EXPECT_OK(create(50));
  EXPECT_THAT(create(100), StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("struct pages")));
}

TEST(MachineTest, RefusesTooLargeAMovableZone) {
  EXPECT_THAT(Machine::Create({.memory = *MemoryMap::Pc(1 << 30), .mapping = {}, .cpus = 4, .movable_per_mille = 1000}),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("ZONE_MOVABLE")));
}

// Tables come from the lists of the processor that makes the call.
TEST(MachineTest, TablesComeFromTheListsOfTheCallingProcessor) {
  auto machine = Boot(1);
  const FrameNumber page = *machine->allocator().Allocate(Order(0), Migratetype::kUnmovable, /*cpu=*/3);
  const FrameNumber next = *machine->allocator().Allocate(Order(0), Migratetype::kUnmovable, /*cpu=*/3);
  machine->allocator().Free(next, Order(0), /*cpu=*/3);
  machine->allocator().RunOn(3);
  machine->SetDirectMapInvalidNoflush(page, FrameCount(1));
  EXPECT_NE(*machine->allocator().Allocate(Order(0), Migratetype::kUnmovable, /*cpu=*/3), next);
}

TEST(MachineTest, SetMemory4KMarksPagesFrom615On) {
  for (const auto& [release, marks] : {std::pair{KernelRelease::k6_12, false}, {KernelRelease::k6_16, true}}) {
    auto machine = Boot(1, release);
    const FrameNumber block = *machine->allocator().Allocate(Order(9), Migratetype::kUnmovable);
    EXPECT_EQ(machine->SetMemory4K({block, block + kFramesPer2M}), CpaOutcome::kDone);
    EXPECT_EQ(machine->direct_map().Lookup(block)->flags.Has(EntryFlags::kKernel4K), marks);
    EXPECT_EQ(machine->direct_map_counters().level2_splits, 1);
  }
}

TEST(MachineTest, TheOwnerOfABlockMayTakeTheMarkOffAndCollapseIt) {
  auto machine = Boot(1, KernelRelease::k6_16);
  EventCounters events;
  const FrameNumber block = *machine->allocator().Allocate(kPageblockOrder, Migratetype::kUnmovable);
  const FrameRange range{block, block + kFramesPer2M};
  const LeafCounts before = machine->direct_map().counts();
  machine->SetMemory4K(range);
  machine->ChargeTo(&events);
  EXPECT_EQ(machine->ObstacleToCollapse(block), CollapseObstacle::kKernel4K);
  EXPECT_EQ(machine->Collapse(range), 0);
  EXPECT_EQ(events.flushes_all, 0);
  EXPECT_EQ(machine->ClearKernel4K(range), CpaOutcome::kDone);
  EXPECT_EQ(events.entries_written, 512);
  EXPECT_EQ(events.flushes_all + events.flushes_range, 0);
  EXPECT_TRUE(machine->CanCollapse(block + FrameCount(5)));
  EXPECT_EQ(machine->Collapse(range), 1);
  EXPECT_EQ(machine->direct_map().counts(), before);
  EXPECT_EQ(events.collapses_2m, 1);
  EXPECT_EQ(events.flushes_all, 1);
  EXPECT_OK(machine->CheckInvariants());
}

// The trap of 2022: entries that were not present have lost GLOBAL. From 6.6 on they have lost DIRTY too.
TEST(MachineTest, LostBitsKeepABlockSplitUnlessTheyAreRestored) {
  struct {
    KernelRelease release;
    bool restore_global;
    bool restore_dirty;
    CollapseObstacle obstacle;
  } const cases[] = {
      {KernelRelease::k6_1, false, false, CollapseObstacle::kGlobal},
      {KernelRelease::k6_1, true, false, CollapseObstacle::kNone},
      {KernelRelease::k6_12, false, false, CollapseObstacle::kDirty},
      {KernelRelease::k6_12, true, false, CollapseObstacle::kDirty},
      {KernelRelease::k6_12, false, true, CollapseObstacle::kGlobal},
      {KernelRelease::k6_12, true, true, CollapseObstacle::kNone},
  };
  for (const auto& [release, restore_global, restore_dirty, obstacle] : cases) {
    auto machine = *Machine::Create({.memory = *MemoryMap::Pc(1 << 30),
                                     .mapping = {},
                                     .cpus = 4,
                                     .cpa_release = release,
                                     .restore_global = restore_global,
                                     .restore_dirty = restore_dirty});
    const FrameNumber page = SecretPage(*machine);
    machine->SetDirectMapDefaultNoflush(page, FrameCount(1));
    EXPECT_EQ(machine->ObstacleToCollapse(page), obstacle);
    EXPECT_EQ(machine->Collapse({page, page + FrameCount(1)}), obstacle == CollapseObstacle::kNone ? 1 : 0);
    EXPECT_OK(machine->CheckInvariants());
  }
}

// Hands out its one page, and remembers what comes back.
class OneTable : public TablePageSource {
 public:
  explicit OneTable(FrameNumber page) : page_(page) {}
  std::optional<FrameNumber> TakeTable(MapLevel, FrameNumber) override { return std::exchange(page_, std::nullopt); }
  void ReturnTable(FrameNumber table) override { returned.push_back(table); }
  std::vector<FrameNumber> returned;

 private:
  std::optional<FrameNumber> page_;
};

TEST(MachineTest, TablesComeFromTheSourceThatIsSetAndGoToIt) {
  auto machine = Boot(1, KernelRelease::k6_12);
  const FrameNumber block = *machine->allocator().Allocate(kMaxOrder, Migratetype::kUnmovable);
  const FrameNumber table = *machine->allocator().Allocate(Order(0), Migratetype::kUnmovable);
  const FrameCount allocated = machine->allocator().allocated_frames();
  OneTable source(table);
  machine->SetTableSource(&source);
  EXPECT_EQ(machine->SetMemory4K({block, block + kFramesPer2M}), CpaOutcome::kDone);
  EXPECT_EQ(machine->SetMemory4K({block + kFramesPer2M, block + kMaxOrder.frames()}), CpaOutcome::kNoMemory);
  EXPECT_EQ(machine->Collapse({block, block + kFramesPer2M}), 1);
  EXPECT_EQ(source.returned, std::vector<FrameNumber>{table});
  EXPECT_EQ(machine->allocator().allocated_frames(), allocated);
  machine->SetTableSource(nullptr);
  EXPECT_EQ(machine->SetMemory4K({block, block + kFramesPer2M}), CpaOutcome::kDone);
  EXPECT_EQ(machine->allocator().allocated_frames(), allocated + FrameCount(1));
  machine->SetTableSource(&source);
  EXPECT_EQ(machine->Collapse({block, block + kFramesPer2M}), 1);
  EXPECT_EQ(source.returned.size(), 2);  // the page allocator's own
  EXPECT_OK(machine->CheckInvariants());
}

TEST(MachineTest, LocalFlushesInterruptNobody) {
  auto machine = Boot(1);
  EventCounters events;
  machine->ChargeTo(&events);
  machine->FlushLocal();
  machine->MapTemporarily(FrameCount(3));
  EXPECT_EQ(events.local_flushes, 4);
  EXPECT_EQ(events.temporary_mappings, 3);
  EXPECT_EQ(events.flush_ipis, 0);
}

TEST(MachineTest, WithoutMemoryForATableTheRequestFails) {
  auto machine = Boot(1);
  EventCounters events;
  machine->ChargeTo(&events);
  std::vector<FrameNumber> pages;
  while (const auto page = machine->allocator().Allocate(Order(0), Migratetype::kMovable)) pages.push_back(*page);
  EXPECT_EQ(machine->SetDirectMapInvalidNoflush(pages.front(), FrameCount(1)), CpaOutcome::kNoMemory);
  EXPECT_EQ(events.split_enomem, 1);
  EXPECT_OK(machine->CheckInvariants());
}

}  // namespace
}  // namespace dmfrag::model
