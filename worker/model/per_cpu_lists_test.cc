#include "worker/model/per_cpu_lists.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::model {
namespace {

using ::testing::ElementsAre;

constexpr Migratetype kMovable = Migratetype::kMovable;
constexpr Zone::Fragmentation kAllowed = Zone::Fragmentation::kAllowed;

// Lists of a zone of 1 GiB with a low watermark of 300 frames: batch 63, high from 300 to 32,768.
class Lists {
 public:
  explicit Lists(KernelRelease release)
      : table_(FrameNumber(4096 + 262144)),
        zone_(&table_, AllocatorRules::Of(release)),
        lists_(&table_, &zone_, FrameCount(262144), FrameCount(300), /*cpus=*/1, AllocatorRules::Of(release)) {
    zone_.AddBootMemory({FrameNumber(4096), FrameNumber(4096 + 262144)});
  }
  ~Lists() {
    EXPECT_OK(lists_.CheckInvariants());
    EXPECT_OK(zone_.CheckInvariants());
  }

  void Allocate(int pages) {
    for (int i = 0; i < pages; ++i) out_.push_back(lists_.Remove(Order(0), kMovable, kAllowed));
  }

  void Free(int pages) {
    for (int i = 0; i < pages; ++i) {
      lists_.Insert(out_.back(), Order(0));
      out_.pop_back();
    }
  }

  // Frees blocks of two pages until the lists are empty; how many that takes.
  int PairsFreedUntilEmpty() {
    std::vector<FrameIndex> pairs;
    for (int i = 0; i < 150; ++i) pairs.push_back(lists_.Remove(Order(1), kMovable, kAllowed));
    int freed = 0;
    do {
      lists_.Insert(pairs[static_cast<size_t>(freed++)], Order(1));
    } while (lists_.frames() != FrameCount(0) && freed < 150);
    return freed;
  }

  // Asks for what is not to be had without mixing types.
  void FailToAllocate() {
    while (zone_.Remove(kPageblockOrder, kMovable, kAllowed) != kNoFrameIndex) {
    }
    EXPECT_EQ(lists_.Remove(Order(0), Migratetype::kReclaimable, Zone::Fragmentation::kAvoided), kNoFrameIndex);
  }

  // Frees single pages until the zone has been given frames `times` times; how many each time.
  std::vector<uint64_t> FreeUntilSurplus(int times) {
    std::vector<uint64_t> given;
    while (given.size() < static_cast<size_t>(times)) {
      const uint64_t before = zone_.free_frames().raw();
      Free(1);
      if (zone_.free_frames().raw() != before) given.push_back(zone_.free_frames().raw() - before);
    }
    return given;
  }

  PerCpuLists& lists() { return lists_; }
  Zone& zone() { return zone_; }

 private:
  FrameTable table_;
  Zone zone_;
  PerCpuLists lists_;
  std::vector<FrameIndex> out_;
};

TEST(PerCpuListsTest, ARunOfFreesPassesOnTwiceAsMuchEachTimeIn6_1) {
  Lists lists(KernelRelease::k6_1);
  lists.Allocate(63 * 20);
  // Not more than what leaves a batch: 300 - 63.
  EXPECT_THAT(lists.FreeUntilSurplus(4), ElementsAre(63, 126, 237, 237));
}

TEST(PerCpuListsTest, AnAllocationHalvesThatIn6_1) {
  Lists lists(KernelRelease::k6_1);
  lists.Allocate(63 * 20);
  EXPECT_THAT(lists.FreeUntilSurplus(2), ElementsAre(63, 126));
  lists.Allocate(1);
  EXPECT_THAT(lists.FreeUntilSurplus(1), ElementsAre(126));
}

TEST(PerCpuListsTest, ABulkAllocationDoesNot) {
  Lists lists(KernelRelease::k6_1);
  lists.Allocate(63 * 20);
  EXPECT_THAT(lists.FreeUntilSurplus(2), ElementsAre(63, 126));
  EXPECT_NE(lists.lists().RemoveForBulk(kMovable, kAllowed), kNoFrameIndex);
  EXPECT_THAT(lists.FreeUntilSurplus(1), ElementsAre(237));
}

TEST(PerCpuListsTest, HighIsFixedIn6_1) {
  Lists lists(KernelRelease::k6_1);
  lists.Allocate(5000);
  EXPECT_EQ(lists.lists().high(), 300);
  lists.lists().Decay();
  EXPECT_EQ(lists.lists().high(), 300);
}

TEST(PerCpuListsTest, HighGrowsWithRefillsAndDecaysByAnEighthIn6_12) {
  Lists lists(KernelRelease::k6_12);
  lists.Allocate(1);
  EXPECT_EQ(lists.lists().high(), 300 + 63);
  EXPECT_EQ(lists.lists().frames(), FrameCount(62));
  lists.Allocate(62 + 1);  // the second refill takes twice as much
  EXPECT_EQ(lists.lists().high(), 300 + 63 + 126);
  EXPECT_EQ(lists.lists().frames(), FrameCount(125));
  lists.lists().Decay();
  EXPECT_EQ(lists.lists().high(), 489 - 489 / 8);
  for (int i = 0; i < 20; ++i) lists.lists().Decay();
  EXPECT_EQ(lists.lists().high(), 300);
  EXPECT_EQ(lists.lists().frames(), FrameCount(125));
}

// With a batch of 63 and a least `high` of 300: 63 frames in a row, from 6.16 on 213.
TEST(PerCpuListsTest, ARunOfHighOrderFreesGivesEverythingUp) {
  EXPECT_EQ(Lists(KernelRelease::k6_12).PairsFreedUntilEmpty(), 33);
  EXPECT_EQ(Lists(KernelRelease::k7_3).PairsFreedUntilEmpty(), 108);
}

// An attempt that finds nothing ends a run of frees too: the next surplus is a batch, not all of the run.
TEST(PerCpuListsTest, AFailedAllocationEndsARunOfFreesIn6_1) {
  Lists lists(KernelRelease::k6_1);
  lists.Allocate(3000);
  EXPECT_THAT(lists.FreeUntilSurplus(2), ElementsAre(63, 126));
  for (int i = 0; i < 2; ++i) lists.FailToAllocate();
  EXPECT_THAT(lists.FreeUntilSurplus(1), ElementsAre(63));
}

TEST(PerCpuListsTest, DecayGivesUpWhatLiesAboveHighIn6_12) {
  Lists lists(KernelRelease::k6_12);
  lists.Allocate(20000);  // high grows as far
  lists.Free(19500);
  const uint64_t high = lists.lists().high();
  const uint64_t frames = lists.lists().frames().raw();
  ASSERT_GT(high, 10000);
  ASSERT_GT(frames, high - high / 8);
  lists.lists().Decay();
  EXPECT_EQ(lists.lists().high(), std::max(high - high / 8, frames - 32 * 63));
  EXPECT_EQ(lists.lists().frames(), FrameCount(lists.lists().high()));
}

}  // namespace
}  // namespace dmfrag::model
