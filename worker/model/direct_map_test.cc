#include "worker/model/direct_map.h"

#include <vector>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::model {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kMib = 1 << 20;
constexpr uint64_t kGib = 1 << 30;
constexpr EntryFlags kFlags = EntryFlags::PageKernel();

MemoryMap Memory(const std::vector<ByteRange>& ranges) { return *MemoryMap::FromUsableRanges(ranges); }

std::vector<LeafRun> Runs(const DirectMap& map) {
  std::vector<LeafRun> runs;
  map.ForEachRun([&](const LeafRun& run) { runs.push_back(run); });
  return runs;
}

LeafRun MappedAt(uint64_t first, uint64_t end, MapLevel level) {
  return {FrameNumber(first), FrameCount(end - first), level, kFlags};
}

TEST(DirectMapBootTest, UsesTheLargestPagesThatAreAllMemory) {
  const DirectMap map = DirectMap::Boot(*MemoryMap::Pc(5 * kGib), {}, kFlags);
  EXPECT_EQ(Runs(map),
            (std::vector<LeafRun>{MappedAt(0, 512, MapLevel::k4K), MappedAt(512, 262144, MapLevel::k2M),
                                  MappedAt(262144, 786432, MapLevel::k1G), MappedAt(1048576, 1572864, MapLevel::k1G)}));
  EXPECT_EQ(map.counts(), (LeafCounts{512, 511, 4}));
}

TEST(DirectMapBootTest, AHoleOfOnePageCostsItsLargePageAndItsGib) {
  const DirectMap map = DirectMap::Boot(Memory({{0, kGib + 4 * kMib}, {kGib + 4 * kMib + 4096, 3 * kGib}}), {}, kFlags);
  EXPECT_EQ(map.counts(), (LeafCounts{512 + 511, 511 + 511, 1}));
  EXPECT_FALSE(map.Lookup(FrameNumber(262144 + 1024)).has_value());
  EXPECT_EQ(map.Lookup(FrameNumber(262144 + 1025))->level, MapLevel::k4K);
}

TEST(DirectMapBootTest, OnlyTheLastLargePageSuffersFromAnOddEnd) {
  const DirectMap map = DirectMap::Boot(Memory({{0, 64 * kMib + 12288}}), {}, kFlags);
  EXPECT_EQ(map.counts(), (LeafCounts{512 + 3, 31, 0}));
}

TEST(DirectMapBootTest, MapsTheIsaRangeWhateverItIs) {
  const DirectMap map = DirectMap::Boot(Memory({{8 * kMib, 16 * kMib}}), {}, kFlags);
  EXPECT_EQ(Runs(map), (std::vector<LeafRun>{MappedAt(0, 256, MapLevel::k4K), MappedAt(2048, 4096, MapLevel::k2M)}));
}

TEST(DirectMapBootTest, WithoutGbpagesTheCeilingIs2M) {
  const DirectMap map = DirectMap::Boot(*MemoryMap::Pc(2 * kGib), {.gbpages = false}, kFlags);
  EXPECT_EQ(map.counts(), (LeafCounts{512, 511 + 512, 0}));
}

TEST(DirectMapBootTest, DebugPageallocMapsEverythingWith4K) {
  for (const BootMappingRules& rules : {BootMappingRules{.debug_pagealloc = true}, BootMappingRules{.pse = false}}) {
    const DirectMap map = DirectMap::Boot(*MemoryMap::Pc(2 * kGib), rules, kFlags);
    EXPECT_EQ(map.counts(), (LeafCounts{524288, 0, 0}));
    EXPECT_OK(map.CheckInvariants());
  }
}

TEST(DirectMapBootTest, SixtyFourTebibytesTakeNoTimeAtAnySize) {
  const MemoryMap memory = *MemoryMap::Pc(uint64_t{64} << 40);
  EXPECT_EQ(DirectMap::Boot(memory, {}, kFlags).counts(), (LeafCounts{512, 511, 65535}));
  EXPECT_EQ(DirectMap::Boot(memory, {.debug_pagealloc = true}, kFlags).counts().pages_4k, uint64_t{1} << 34);
}

TEST(DirectMapTest, AMapMadeFromItsOwnRunsIsTheSame) {
  const DirectMap map = DirectMap::Boot(*MemoryMap::Pc(5 * kGib), {}, kFlags);
  const auto copy = DirectMap::FromRuns(Runs(map));
  ASSERT_OK(copy);
  EXPECT_EQ(Runs(*copy), Runs(map));
  EXPECT_EQ(copy->counts(), map.counts());
  EXPECT_OK(copy->CheckInvariants());
}

TEST(DirectMapTest, RefusesRunsThatMakeNoSense) {
  for (const std::vector<LeafRun>& runs : {std::vector<LeafRun>{MappedAt(1, 513, MapLevel::k2M)},
                                           {MappedAt(0, 100, MapLevel::k2M)},
                                           {MappedAt(0, 0, MapLevel::k4K)},
                                           {MappedAt(0, 10, MapLevel::k4K), MappedAt(5, 15, MapLevel::k4K)},
                                           {MappedAt(512, 1024, MapLevel::k2M), MappedAt(0, 512, MapLevel::k2M)},
                                           {MappedAt(0, uint64_t{1} << 40, MapLevel::k4K)},
                                           {{FrameNumber(~uint64_t{0}), FrameCount(2), MapLevel::k4K, kFlags}}}) {
    EXPECT_THAT(DirectMap::FromRuns(runs), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("row")));
  }
}

TEST(DirectMapTest, SplittingAndCollapsingMovesOneLevelAtATime) {
  auto map = DirectMap::FromRuns({MappedAt(262144, 524288, MapLevel::k1G)});
  ASSERT_OK(map);
  map->Split(FrameNumber(262200), kFlags, FrameNumber(7));
  EXPECT_EQ(map->counts(), (LeafCounts{0, 512, 0}));
  map->Split(FrameNumber(262200), kFlags, FrameNumber(8));
  EXPECT_EQ(map->counts(), (LeafCounts{512, 511, 0}));
  EXPECT_FALSE(map->UniformFlags(FrameNumber(262144), MapLevel::k1G).has_value());
  EXPECT_EQ(map->Collapse(FrameNumber(262144), MapLevel::k2M), FrameNumber(8));
  EXPECT_EQ(map->Collapse(FrameNumber(262144), MapLevel::k1G), FrameNumber(7));
  EXPECT_EQ(map->counts(), (LeafCounts{0, 0, 1}));
  EXPECT_OK(map->CheckInvariants());
}

TEST(DirectMapTest, OneDifferentEntryIsNotUniform) {
  auto map = DirectMap::FromRuns({MappedAt(512, 1024, MapLevel::k2M)});
  ASSERT_OK(map);
  map->Split(FrameNumber(512), kFlags, DirectMap::kNoFrame);
  EXPECT_EQ(map->UniformFlags(FrameNumber(512), MapLevel::k2M), kFlags);
  map->SetFlags(FrameNumber(700), EntryFlags(EntryFlags::kPresent));
  EXPECT_FALSE(map->UniformFlags(FrameNumber(512), MapLevel::k2M).has_value());
  EXPECT_EQ(map->Lookup(FrameNumber(700))->flags, EntryFlags(EntryFlags::kPresent));
  EXPECT_EQ(map->Lookup(FrameNumber(701))->flags, kFlags);
}

TEST(DirectMapTest, ABlockIsUniformAgainWhenItsLastEntryFollows) {
  auto map = DirectMap::FromRuns({MappedAt(512, 1024, MapLevel::k2M)});
  ASSERT_OK(map);
  map->Split(FrameNumber(512), kFlags, DirectMap::kNoFrame);
  const EntryFlags other(EntryFlags::kPresent);
  for (uint64_t frame = 512; frame < 1024; ++frame) {
    map->SetFlags(FrameNumber(frame), other);
    EXPECT_EQ(map->UniformFlags(FrameNumber(512), MapLevel::k2M).has_value(), frame == 1023) << frame;
  }
  EXPECT_EQ(map->UniformFlags(FrameNumber(512), MapLevel::k2M), other);
  EXPECT_OK(map->CheckInvariants());
}

TEST(DirectMapTest, HolesAndFinerBlocksAreNotUniform) {
  auto map = DirectMap::FromRuns({MappedAt(0, 511, MapLevel::k4K), MappedAt(262144, 524288, MapLevel::k2M)});
  ASSERT_OK(map);
  EXPECT_FALSE(map->UniformFlags(FrameNumber(0), MapLevel::k2M).has_value());    // 511 of 512
  EXPECT_FALSE(map->UniformFlags(FrameNumber(512), MapLevel::k2M).has_value());  // nothing there
  EXPECT_FALSE(map->UniformFlags(FrameNumber(512), MapLevel::k1G).has_value());
  EXPECT_FALSE(map->UniformFlags(FrameNumber(uint64_t{1} << 40), MapLevel::k2M).has_value());
  EXPECT_EQ(map->UniformFlags(FrameNumber(262144), MapLevel::k1G), kFlags);
  EXPECT_FALSE(map->UniformFlags(FrameNumber(262144), MapLevel::k2M).has_value());  // one entry, not 512
  // All 512 blocks of a GiB split alike: alike, but not of the next lower level.
  for (uint64_t i = 0; i < 512; ++i) map->Split(FrameNumber(262144 + i * 512), kFlags, DirectMap::kNoFrame);
  EXPECT_FALSE(map->UniformFlags(FrameNumber(262144), MapLevel::k1G).has_value());
  EXPECT_EQ(map->UniformFlags(FrameNumber(262144), MapLevel::k2M), kFlags);
  const auto compact = DirectMap::FromRuns({MappedAt(0, 262144, MapLevel::k4K)});
  EXPECT_FALSE(compact->UniformFlags(FrameNumber(0), MapLevel::k1G).has_value());
  EXPECT_EQ(compact->UniformFlags(FrameNumber(0), MapLevel::k2M), kFlags);
  const auto halves =
      DirectMap::FromRuns({MappedAt(0, 131072, MapLevel::k4K), MappedAt(131072, 262144, MapLevel::k4K)});
  EXPECT_FALSE(halves->UniformFlags(FrameNumber(0), MapLevel::k1G).has_value());
}

TEST(DirectMapTest, TakesMemoryForWhatIsSplitAndReusesIt) {
  DirectMap map = DirectMap::Boot(*MemoryMap::Pc(uint64_t{8} << 30), {}, kFlags);
  const size_t large = map.MemoryBytes();
  EXPECT_LT(large, 8192);
  const FrameNumber first(262144);
  map.Split(first, kFlags, DirectMap::kNoFrame);
  map.Split(first, kFlags, DirectMap::kNoFrame);
  const size_t split = map.MemoryBytes();
  EXPECT_GT(split, large + 4096 + 1024);
  EXPECT_LT(split, large + 4096 + 1024 + 256);
  for (int i = 0; i < 3; ++i) {
    map.Collapse(first, MapLevel::k2M);
    map.Collapse(first, MapLevel::k1G);
    map.Split(first, kFlags, DirectMap::kNoFrame);
    map.Split(first, kFlags, DirectMap::kNoFrame);
  }
  EXPECT_LT(map.MemoryBytes(), split + 256);
  EXPECT_OK(map.CheckInvariants());
}

TEST(DirectMapTest, AnEntryWithoutAnyFlagIsNoHole) {
  auto map = DirectMap::FromRuns({MappedAt(0, 1, MapLevel::k4K)});
  ASSERT_OK(map);
  map->SetFlags(FrameNumber(0), EntryFlags());
  ASSERT_TRUE(map->Lookup(FrameNumber(0)).has_value());
  EXPECT_TRUE(map->Lookup(FrameNumber(0))->flags.empty());
  EXPECT_FALSE(map->Lookup(FrameNumber(1)).has_value());
  EXPECT_FALSE(map->Lookup(FrameNumber(uint64_t{1} << 40)).has_value());
}

TEST(DirectMapTest, ChangingOneEntryOfACompactGibLeavesItsNeighbours) {
  DirectMap map = DirectMap::Boot(*MemoryMap::Pc(2 * kGib), {.debug_pagealloc = true}, kFlags);
  map.SetFlags(FrameNumber(300000), EntryFlags());
  EXPECT_TRUE(map.Lookup(FrameNumber(300000))->flags.empty());
  EXPECT_EQ(map.Lookup(FrameNumber(299999))->flags, kFlags);
  EXPECT_EQ(map.Lookup(FrameNumber(400000))->flags, kFlags);
  EXPECT_OK(map.CheckInvariants());
}

TEST(DirectMapTest, AddedMemoryIsMappedByTheLargestPagesThatFit) {
  constexpr EntryFlags kFlags = EntryFlags::PageKernel();
  const FrameNumber first(kFramesPer1G.raw() / 2);
  const FrameRange range{first, FrameNumber(5 * kFramesPer1G.raw() / 2)};
  struct {
    BootMappingRules rules;
    LeafCounts added;
  } const cases[] = {
      {{}, {.pages_4k = 0, .pages_2m = 512, .pages_1g = 1}},
      {{.gbpages = false}, {.pages_4k = 0, .pages_2m = 1024, .pages_1g = 0}},
      {{.pse = false}, {.pages_4k = 2 * kFramesPer1G.raw(), .pages_2m = 0, .pages_1g = 0}},
      {{.debug_pagealloc = true}, {.pages_4k = 2 * kFramesPer1G.raw(), .pages_2m = 0, .pages_1g = 0}},
  };
  for (const auto& [rules, added] : cases) {
    // Half of the first GiB was there at boot.
    DirectMap map = DirectMap::Boot(*MemoryMap::Pc(uint64_t{512} << 20), rules, kFlags);
    const LeafCounts before = map.counts();
    map.AddMemory(range, rules, kFlags);
    const LeafCounts after = map.counts();
    EXPECT_EQ(after.pages_4k - before.pages_4k, added.pages_4k);
    EXPECT_EQ(after.pages_2m - before.pages_2m, added.pages_2m);
    EXPECT_EQ(after.pages_1g - before.pages_1g, added.pages_1g);
    EXPECT_TRUE(map.Lookup(first).has_value());
    EXPECT_FALSE(map.Lookup(range.end).has_value());
    EXPECT_OK(map.CheckInvariants());
  }
}

}  // namespace
}  // namespace dmfrag::model
