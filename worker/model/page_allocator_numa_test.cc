// PageAllocator on machines of several NUMA nodes.
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/model/page_allocator.h"

namespace dmfrag::model {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kMib = 1 << 20;
constexpr uint64_t kGib = 1 << 30;
constexpr FrameNumber kAt4G(1 << 20);

// Each of them has two processors.
struct Nodes {
  Nodes(uint64_t bytes, uint32_t nodes, AllocatorRules rules = {})
      : memory(*MemoryMap::Pc(bytes)),
        topology(*NumaTopology::Even(memory, nodes, 2 * nodes)),
        allocator(memory, topology, rules) {}

  uint32_t NodeOf(FrameNumber frame) const {
    uint32_t node = 0;
    while (frame >= topology.RangeOf(node).end) ++node;
    return node;
  }

  MemoryMap memory;
  NumaTopology topology;
  PageAllocator allocator;
};

// Whose per-CPU lists take one batch at a time, and remember nothing.
constexpr AllocatorRules kFixedLists = AllocatorRules::Of(KernelRelease::k6_1);

// Nodes of all pages, in the order they come first, until there is no memory.
std::vector<uint32_t> Exhaust(Nodes& machine, uint32_t cpu) {
  std::vector<uint32_t> nodes;
  while (const auto frame = machine.allocator.Allocate(Order(0), Migratetype::kMovable, cpu)) {
    const uint32_t node = machine.NodeOf(*frame);
    if (std::find(nodes.begin(), nodes.end(), node) == nodes.end()) nodes.push_back(node);
  }
  return nodes;
}

TEST(PageAllocatorNumaTest, EveryProcessorGetsItsOwnNodesMemory) {
  Nodes machine(8 * kGib, 4);
  for (uint32_t cpu = 0; cpu < 8; ++cpu) {
    EXPECT_EQ(machine.allocator.NodeOfCpu(cpu), cpu / 2);
    for (const unsigned order : {0u, 3u, 9u}) {
      const auto block = machine.allocator.Allocate(Order(order), Migratetype::kUnmovable, cpu);
      ASSERT_TRUE(block.has_value());
      EXPECT_EQ(machine.NodeOf(*block), cpu / 2);
    }
  }
  EXPECT_OK(machine.allocator.CheckInvariants());
}

TEST(PageAllocatorNumaTest, CallsThatNameNoProcessorAreTheCurrentOnes) {
  Nodes machine(2 * kGib, 2);
  EXPECT_EQ(machine.NodeOf(*machine.allocator.Allocate(Order(0), Migratetype::kUnmovable)), 0);
  machine.allocator.RunOn(3);
  const auto frame = machine.allocator.Allocate(Order(0), Migratetype::kUnmovable);
  EXPECT_EQ(machine.NodeOf(*frame), 1);
  machine.allocator.Free(*frame, Order(0));
  EXPECT_EQ(machine.allocator.Allocate(Order(0), Migratetype::kUnmovable, 3), frame);
}

// Node 0 has DMA, DMA32 and a part of Normal: all three are used up before the other node's, high ones first.
TEST(PageAllocatorNumaTest, LocalZonesComeFirstFromHighToLow) {
  Nodes machine(8 * kGib, 2);
  const FrameNumber node1 = machine.topology.RangeOf(1).first;
  FrameNumber last = node1;
  bool low = false;
  uint64_t local = 0;
  for (;;) {
    last = *machine.allocator.Allocate(Order(0), Migratetype::kMovable, 0);
    if (last >= node1) break;
    ++local;
    low = low || last < kAt4G;
    ASSERT_EQ(low, last < kAt4G) << "back to Normal";
  }
  EXPECT_TRUE(low);
  EXPECT_GT(local, 4 * kGib / kFrameBytes * 95 / 100);
}

TEST(PageAllocatorNumaTest, FallsOverToTheNextNodeFirst) {
  for (const auto& [cpu, order] : std::vector<std::pair<uint32_t, std::vector<uint32_t>>>{
           {0, {0, 1, 2, 3}}, {3, {1, 2, 3, 0}}, {6, {3, 0, 1, 2}}}) {
    Nodes machine(kGib, 4);
    EXPECT_EQ(Exhaust(machine, cpu), order) << "processor " << cpu;
    EXPECT_OK(machine.allocator.CheckInvariants());
  }
}

// lowmem_reserve counts the zones above in the same node alone: of 4 GiB, node 0 has DMA and DMA32, node 1 has DMA32
// and Normal; so node 0's DMA32 keeps nothing back for Normal.
TEST(PageAllocatorNumaTest, ReservesAreEachNodesOwn) {
  Nodes machine(4 * kGib, 2, kFixedLists);
  const AllocatorSnapshot start = machine.allocator.Snapshot();
  ASSERT_EQ(start.zones.size(), 4);
  FrameCount kept;
  for (const ZoneSnapshot& zone : start.zones) kept += zone.min_mark;
  kept += FrameCount((start.zones[1].managed.raw() + start.zones[3].managed.raw()) / 256);
  Exhaust(machine, 0);
  constexpr FrameCount kFourBatches(4 * 63);  // a refill may go below the mark
  EXPECT_LE(machine.allocator.free_frames(), kept);
  EXPECT_GE(machine.allocator.free_frames() + kFourBatches, kept);
}

TEST(PageAllocatorNumaTest, AFreedPageGoesToItsOwnZoneOnTheFreeingProcessorsList) {
  Nodes machine(4 * kGib, 2);
  const FrameNumber far = *machine.allocator.Allocate(Order(0), Migratetype::kUnmovable, 2);
  const FrameNumber near = *machine.allocator.Allocate(Order(0), Migratetype::kUnmovable, 0);
  machine.allocator.Free(far, Order(0), 0);
  EXPECT_EQ(machine.NodeOf(*machine.allocator.Allocate(Order(0), Migratetype::kUnmovable, 0)), 0);
  EXPECT_NE(machine.allocator.Allocate(Order(0), Migratetype::kUnmovable, 2), far);  // it is on processor 0's list
  EXPECT_EQ(machine.allocator.AllocateOnNode(1, Order(0), Migratetype::kUnmovable, 0), far);
  machine.allocator.Free(near, Order(0), 3);
  EXPECT_EQ(machine.allocator.AllocateOnNode(0, Order(0), Migratetype::kUnmovable, 3), near);
  EXPECT_OK(machine.allocator.CheckInvariants());
}

TEST(PageAllocatorNumaTest, AllIsWholeAgainAfterADrain) {
  Nodes machine(kGib, 4);
  const uint64_t blocks = machine.allocator.FreeBlocks(kMaxOrder);
  std::vector<FrameNumber> out;
  for (uint32_t i = 0; i < 60000; ++i) {
    out.push_back(*machine.allocator.Allocate(Order(0), Migratetype::kUnmovable, i % 8));
  }
  for (uint32_t i = 0; i < out.size(); ++i) machine.allocator.Free(out[i], Order(0), i / 7 % 8);
  machine.allocator.DrainPerCpu();
  EXPECT_EQ(machine.allocator.FreeBlocks(kMaxOrder), blocks);
  EXPECT_EQ(machine.allocator.free_frames(), machine.allocator.managed_frames());
  EXPECT_OK(machine.allocator.CheckInvariants());
}

TEST(PageAllocatorNumaTest, BulkAllocationsStayInTheNode) {
  Nodes machine(512 * kMib, 2);
  while (const auto frame = machine.allocator.Allocate(Order(0), Migratetype::kUnmovable, 0)) {
    if (machine.NodeOf(*frame) == 1) break;
  }
  std::vector<FrameNumber> frames;
  EXPECT_EQ(machine.allocator.BulkAllocate(64, Migratetype::kUnmovable, 0, &frames), 0);
  EXPECT_EQ(machine.allocator.BulkAllocate(64, Migratetype::kUnmovable, 2, &frames), 64);
  for (FrameNumber frame : frames) EXPECT_EQ(machine.NodeOf(frame), 1);
}

// alloc_flags_nofragment: a node with Normal alone mixes types at once, one with DMA32 too takes what is there first.
TEST(PageAllocatorNumaTest, ANodeWithoutDma32MixesTypesAtOnce) {
  for (const bool with_dma32 : {false, true}) {
    // Node 0 reaches up to 5 GiB, node 1 from there to 9 GiB. All of the node's Normal zone becomes movable pages, of
    // which every second is freed: unmovable pages can only be had by mixing types, or from DMA32.
    Nodes machine(8 * kGib, 2);
    const uint32_t cpu = with_dma32 ? 0 : 2;
    std::vector<FrameNumber> out;
    const FrameNumber first = std::max(machine.topology.RangeOf(cpu / 2).first, kAt4G);
    const FrameNumber end = machine.topology.RangeOf(cpu / 2).end;
    for (;;) {
      const FrameNumber frame = *machine.allocator.Allocate(Order(0), Migratetype::kMovable, cpu);
      if (frame < first || frame >= end) break;
      out.push_back(frame);
    }
    for (FrameNumber frame : out) {
      if (frame.raw() % 2 == 0) machine.allocator.Free(frame, Order(0), cpu);
    }
    machine.allocator.DrainPerCpu();
    // No whole block is left that could be claimed.
    for (const Order order : {kMaxOrder, kPageblockOrder}) {
      FrameNumber block = first;
      while (block >= first && block < end) block = *machine.allocator.Allocate(order, Migratetype::kMovable, cpu);
    }
    const FrameNumber frame = *machine.allocator.Allocate(Order(0), Migratetype::kUnmovable, cpu);
    EXPECT_EQ(frame >= first && frame < end, !with_dma32);
  }
}

TEST(PageAllocatorNumaTest, SnapshotsCarryNodes) {
  Nodes machine(4 * kGib, 2, kFixedLists);
  for (uint32_t i = 0; i < 5000; ++i) machine.allocator.Allocate(Order(0), Migratetype::kUnmovable, i % 4);
  const AllocatorSnapshot state = machine.allocator.Snapshot();
  EXPECT_EQ(state.node_of_cpu, (std::vector<uint32_t>{0, 0, 1, 1}));
  auto other = PageAllocator::FromSnapshot(state, kFixedLists);
  ASSERT_OK(other);
  EXPECT_OK((*other)->CheckInvariants());
  for (uint32_t i = 0; i < 5000; ++i) {
    ASSERT_EQ((*other)->Allocate(Order(0), Migratetype::kUnmovable, i % 4),
              machine.allocator.Allocate(Order(0), Migratetype::kUnmovable, i % 4));
  }
  const AllocatorSnapshot again = (*other)->Snapshot();
  ASSERT_EQ(again.zones.size(), state.zones.size());
  for (size_t zone = 0; zone < state.zones.size(); ++zone) {
    EXPECT_EQ(again.zones[zone].node, state.zones[zone].node);
    EXPECT_EQ(again.zones[zone].bounds, state.zones[zone].bounds);
  }
}

TEST(PageAllocatorNumaTest, RefusesSnapshotsWhoseNodesMakeNoSense) {
  AllocatorSnapshot state = Nodes(4 * kGib, 2).allocator.Snapshot();
  state.zones[1].node = 1;
  state.zones[2].node = 0;
  EXPECT_THAT(PageAllocator::FromSnapshot(state, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nodes must ascend")));
  state = Nodes(4 * kGib, 2).allocator.Snapshot();
  state.node_of_cpu = {0, 0, 1};
  EXPECT_THAT(PageAllocator::FromSnapshot(state, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nodes of 3 processors")));
  state.node_of_cpu = {0, 0, 1, 2};
  EXPECT_THAT(PageAllocator::FromSnapshot(state, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("processor 3")));
}

}  // namespace
}  // namespace dmfrag::model
