#include "worker/experiment/free_running/sampled_start.h"

#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/model/entry_flags.h"
#include "worker/model/kernel_release.h"
#include "worker/model/numa_topology.h"
#include "worker/model/page_allocator.h"

namespace dmfrag::experiment {
namespace {

using model::FrameCount;
using model::FrameNumber;
using model::KernelRelease;
using model::Migratetype;
using model::Order;
using ::testing::HasSubstr;
using workload::Random;

// 1 GiB, as fl-61-1G-a counts it at its first dump.
StartCounts Counts(KernelRelease release = KernelRelease::k6_1) {
  workload::ZoneTypeCounts dma{.node = 0, .zone = "DMA"};
  dma.free[0] = {0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0};
  dma.free[1] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3};
  dma.pageblocks = {1, 7, 0};
  workload::ZoneTypeCounts dma32{.node = 0, .zone = "DMA32"};
  dma32.free[0] = {0, 1, 0, 0, 1, 1, 1, 1, 1, 1, 0};
  dma32.free[1] = {0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 173};
  dma32.free[2] = {1, 0, 1, 0, 1, 0, 0, 0, 1, 1, 0};
  dma32.pageblocks = {123, 375, 6};
  return {.memory = *model::MemoryMap::Pc(uint64_t{1} << 30),
          .mem_total = FrameCount(981700 / 4),
          .zones = {dma, dma32},
          .topology = model::NumaTopology::OneNode(1),
          .rules = model::AllocatorRules::Of(release)};
}

model::DirectMap Map(const StartCounts& counts) {
  return model::DirectMap::Boot(counts.memory, {}, model::EntryFlags::PageKernel());
}

model::AllocatorSnapshot Sample(const StartCounts& counts, uint64_t seed) {
  auto state = SampleStart(counts, Map(counts), Random(seed));
  EXPECT_OK(state);
  return *std::move(state);
}

uint64_t Blocks(const model::ZoneSnapshot& zone, unsigned order, Migratetype type) {
  for (const model::BlockList& list : zone.free) {
    if (list.order == Order(order) && list.type == type) return list.blocks.size();
  }
  return 0;
}

TEST(SampledStartTest, AgreesWithEveryCountAndIsAStateTheAllocatorTakes) {
  const StartCounts counts = Counts();
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const model::AllocatorSnapshot state = Sample(counts, seed);
    ASSERT_EQ(state.zones.size(), 2);
    for (size_t zone = 0; zone < 2; ++zone) {
      for (unsigned type = 0; type < model::kMigratetypes; ++type) {
        for (unsigned order = 0; order < model::kOrders; ++order) {
          EXPECT_EQ(Blocks(state.zones[zone], order, static_cast<Migratetype>(type)),
                    counts.zones[zone].free[type][order])
              << "zone " << zone << " type " << type << " order " << order;
        }
      }
    }
    EXPECT_NEAR((state.zones[0].managed + state.zones[1].managed).raw(), counts.mem_total.raw(), 300);
    const auto allocator = model::PageAllocator::FromSnapshot(state, counts.rules);
    ASSERT_OK(allocator);
    EXPECT_OK((*allocator)->CheckInvariants());
  }
}

TEST(SampledStartTest, PageblocksHaveTheCountedTypes) {
  const model::AllocatorSnapshot state = Sample(Counts(), 1);
  std::array<uint64_t, model::kMigratetypes> blocks{};
  std::set<uint64_t> seen;
  for (const model::BlockTypeRun& run : state.zones[1].block_types) {
    blocks[static_cast<size_t>(run.type)] += run.blocks;
    EXPECT_TRUE(seen.insert(run.first.raw()).second);
  }
  EXPECT_EQ(blocks[0], 123);
  EXPECT_EQ(blocks[2], 6);
}

// As on the fl-* dumps: the next pages given out are the highest of the run of unmovable blocks, in ascending order.
TEST(SampledStartTest, PerCpuFramesAscendBelowTheFrontier) {
  const model::AllocatorSnapshot state = Sample(Counts(), 1);
  const model::ZoneSnapshot& zone = state.zones[1];
  ASSERT_EQ(zone.per_cpu.size(), 1);
  ASSERT_FALSE(zone.per_cpu[0].lists.empty());
  const model::BlockList& list = zone.per_cpu[0].lists[0];
  EXPECT_EQ(list.type, Migratetype::kUnmovable);
  EXPECT_GE(list.blocks.size(), 36);
  EXPECT_LE(list.blocks.size(), 53);
  EXPECT_TRUE(std::is_sorted(list.blocks.begin(), list.blocks.end()));
  for (const model::BlockList& free : zone.free) {
    if (free.order == model::kMaxOrder) {
      EXPECT_LT(list.blocks.back(), free.blocks.front());
      EXPECT_TRUE(std::is_sorted(free.blocks.begin(), free.blocks.end()));
    }
  }
}

TEST(SampledStartTest, PerCpuListsAreLongerWhereTheyFollowTheLoad) {
  const model::AllocatorSnapshot state = Sample(Counts(KernelRelease::k6_12), 1);
  EXPECT_GE(state.zones[1].per_cpu[0].lists[0].blocks.size(), 980);
  EXPECT_LE(state.zones[1].per_cpu[0].lists[0].blocks.size(), 1470);
}

TEST(SampledStartTest, IsAFunctionOfTheSeed) {
  const StartCounts counts = Counts();
  EXPECT_EQ(Sample(counts, 3).zones[1].free, Sample(counts, 3).zones[1].free);
  EXPECT_NE(Sample(counts, 3).zones[1].free, Sample(counts, 4).zones[1].free);
}

// Two nodes of 512 MiB: the counts of each are found in its own half, and per-CPU lists hold its own frames.
TEST(SampledStartTest, KeepsNodesApart) {
  StartCounts counts = Counts();
  counts.topology = *model::NumaTopology::Even(counts.memory, 2, 2);
  workload::ZoneTypeCounts other{.node = 1, .zone = "DMA32"};
  other.free[0] = {0, 1, 0, 0, 0, 1, 1, 1, 1, 0, 0};
  other.free[1] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60};
  other.pageblocks = {40, 216, 0};
  counts.zones[1].free[1][10] = 50;
  counts.zones[1].pageblocks = {60, 182, 6};
  counts.zones.push_back(other);
  const model::AllocatorSnapshot state = Sample(counts, 1);
  ASSERT_EQ(state.zones.size(), 3);
  EXPECT_EQ(Blocks(state.zones[1], 10, Migratetype::kMovable), 50);
  EXPECT_EQ(Blocks(state.zones[2], 10, Migratetype::kMovable), 60);
  for (uint32_t node = 0; node < 2; ++node) {
    const model::ZoneSnapshot& zone = state.zones[1 + node];
    EXPECT_EQ(zone.node, node);
    ASSERT_EQ(zone.per_cpu.size(), 2);
    EXPECT_FALSE(zone.per_cpu[node].lists.empty());
    EXPECT_TRUE(zone.per_cpu[1 - node].lists.empty());
  }
  const auto allocator = model::PageAllocator::FromSnapshot(state, counts.rules);
  ASSERT_OK(allocator);
  EXPECT_OK((*allocator)->CheckInvariants());
}

TEST(SampledStartTest, JoinsTheNodesOfAZone) {
  StartCounts counts = Counts();
  workload::ZoneTypeCounts other{.node = 1, .zone = "DMA32"};
  other.free[1][3] = 2;
  counts.zones.push_back(other);
  EXPECT_EQ(Blocks(Sample(counts, 1).zones[1], 3, Migratetype::kMovable), 3);
}

TEST(SampledStartTest, RefusesContradictions) {
  StartCounts counts = Counts();
  counts.mem_total = counts.memory.total() + FrameCount(1);
  EXPECT_THAT(SampleStart(counts, Map(counts), Random(1)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("MemTotal")));
  counts = Counts();
  counts.zones.clear();
  EXPECT_THAT(SampleStart(counts, Map(counts), Random(1)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("pagetypeinfo")));
}

}  // namespace
}  // namespace dmfrag::experiment
