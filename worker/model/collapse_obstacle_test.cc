#include "worker/model/collapse_obstacle.h"

#include "gtest/gtest.h"
#include "worker/model/entry_flags.h"
#include "worker/model/memory_map.h"

namespace dmfrag::model {
namespace {

constexpr EntryFlags kKernel = EntryFlags::PageKernel();
constexpr FrameNumber kBlock(4096);

// 64 MiB and three pages, whose 2M block at kBlock is split.
DirectMap Split() {
  DirectMap map = DirectMap::Boot(*MemoryMap::Pc((uint64_t{64} << 20) + 3 * kFrameBytes), {}, kKernel);
  map.Split(kBlock, kKernel, FrameNumber(0));
  return map;
}

TEST(CollapseObstacleTest, EqualEntriesHaveNone) {
  const DirectMap map = Split();
  EXPECT_EQ(ObstacleToCollapse(map, kBlock), CollapseObstacle::kNone);
  EXPECT_EQ(ObstacleToCollapse(map, kBlock + FrameCount(511)), CollapseObstacle::kNone);
}

TEST(CollapseObstacleTest, LargePagesAndHolesAreTold) {
  const DirectMap map = Split();
  EXPECT_EQ(ObstacleToCollapse(map, kBlock + kFramesPer2M), CollapseObstacle::kAlreadyLarge);
  EXPECT_EQ(ObstacleToCollapse(map, FrameNumber(16384)), CollapseObstacle::kHole);  // the last three pages
  EXPECT_EQ(ObstacleToCollapse(map, FrameNumber(1) + kFramesPer1G), CollapseObstacle::kHole);
}

TEST(CollapseObstacleTest, NamesWhatOneEntryDiffersIn) {
  struct {
    EntryFlags flags;
    CollapseObstacle obstacle;
  } const cases[] = {
      {kKernel.Without(EntryFlags(EntryFlags::kPresent)), CollapseObstacle::kNotPresent},
      {kKernel.With(EntryFlags(EntryFlags::kKernel4K)), CollapseObstacle::kKernel4K},
      {kKernel.Without(EntryFlags(EntryFlags::kGlobal)), CollapseObstacle::kGlobal},
      {kKernel.Without(EntryFlags(EntryFlags::kDirty)), CollapseObstacle::kDirty},
      {kKernel.Without(EntryFlags(EntryFlags::kDirty | EntryFlags::kGlobal)), CollapseObstacle::kDirty},
      {kKernel.Without(EntryFlags(EntryFlags::kGlobal | EntryFlags::kWritable)), CollapseObstacle::kUnequal},
      {kKernel.Without(EntryFlags(EntryFlags::kWritable)), CollapseObstacle::kUnequal},
  };
  for (const auto& [flags, obstacle] : cases) {
    DirectMap map = Split();
    map.SetFlags(kBlock + FrameCount(77), flags);
    EXPECT_EQ(ObstacleToCollapse(map, kBlock), obstacle);
  }
}

TEST(CollapseObstacleTest, EqualEntriesMayStillNotBePresentOrBe4KOnPurpose) {
  DirectMap map = Split();
  const EntryFlags absent = kKernel.Without(EntryFlags(EntryFlags::kPresent));
  for (uint64_t i = 0; i < 512; ++i) map.SetFlags(kBlock + FrameCount(i), absent);
  EXPECT_EQ(ObstacleToCollapse(map, kBlock), CollapseObstacle::kNotPresent);
  for (uint64_t i = 0; i < 512; ++i) {
    map.SetFlags(kBlock + FrameCount(i), kKernel.With(EntryFlags(EntryFlags::kKernel4K)));
  }
  EXPECT_EQ(ObstacleToCollapse(map, kBlock), CollapseObstacle::kKernel4K);
}

}  // namespace
}  // namespace dmfrag::model
