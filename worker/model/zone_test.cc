#include "worker/model/zone.h"

#include <vector>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::model {
namespace {

constexpr Zone::Fragmentation kAllowed = Zone::Fragmentation::kAllowed;
constexpr Zone::Fragmentation kAvoided = Zone::Fragmentation::kAvoided;
constexpr Migratetype kUnmovable = Migratetype::kUnmovable;
constexpr Migratetype kMovable = Migratetype::kMovable;
constexpr Migratetype kReclaimable = Migratetype::kReclaimable;

// A zone of 8 blocks of the largest order, from 16 MiB on.
class ZoneTest : public ::testing::Test {
 protected:
  ZoneTest() : table_(FrameNumber(65536)), zone_(&table_, AllocatorRules::Of(KernelRelease::k7_3)) {
    zone_.AddBootMemory({kFirst, kFirst + FrameCount(8 * 1024)});
  }
  ~ZoneTest() override { EXPECT_OK(zone_.CheckInvariants()); }

  // Takes a block and marks it as given out.
  uint64_t Take(unsigned order, Migratetype type, Zone::Fragmentation fragmentation = kAllowed) {
    const FrameIndex block = zone_.Remove(Order(order), type, fragmentation);
    if (block == kNoFrameIndex) return 0;
    table_.GiveOut(block, Order(order), type);
    return table_.FrameOf(block).raw();
  }
  void Give(uint64_t frame, unsigned order) {
    const FrameIndex block = table_.IndexOf(FrameNumber(frame));
    table_.TakeBack(block, Order(order));
    zone_.Insert(block, Order(order));
  }
  Migratetype TypeOf(uint64_t frame) { return table_.block_type(table_.IndexOf(FrameNumber(frame))); }

  static constexpr FrameNumber kFirst{4096};
  FrameTable table_;
  Zone zone_;
};

TEST_F(ZoneTest, UntouchedMemoryIsWholeBlocks) {
  EXPECT_EQ(zone_.FreeBlocks(kMaxOrder, kMovable), 8);
  EXPECT_EQ(zone_.free_frames(), FrameCount(8192));
  EXPECT_FALSE(table_.IsTouched(kFirst));
}

TEST_F(ZoneTest, GivesTheLowestFramesFirstAndSplitsInOrder) {
  EXPECT_EQ(Take(0, kMovable), 4096);
  EXPECT_EQ(Take(0, kMovable), 4097);
  EXPECT_EQ(Take(0, kMovable), 4098);
  EXPECT_EQ(Take(1, kMovable), 4100);
  EXPECT_EQ(Take(10, kMovable), 5120);
}

TEST_F(ZoneTest, FreeingEveryPieceMergesBackToTheLargestOrder) {
  std::vector<uint64_t> frames;
  for (int i = 0; i < 1024; ++i) frames.push_back(Take(0, kMovable));
  for (size_t i = 0; i < frames.size(); i += 2) Give(frames[i], 0);
  EXPECT_EQ(zone_.FreeBlocks(Order(0), kMovable), 512);
  for (size_t i = 1; i < frames.size(); i += 2) Give(frames[i], 0);
  EXPECT_EQ(zone_.FreeBlocks(kMaxOrder, kMovable), 8);
  // What was freed comes before what was never touched.
  EXPECT_EQ(Take(10, kMovable), 4096);
}

TEST_F(ZoneTest, AnUnmovableRequestClaimsAWholeLargestBlock) {
  EXPECT_EQ(Take(0, kUnmovable), 4096);
  EXPECT_EQ(TypeOf(4096), kUnmovable);
  EXPECT_EQ(TypeOf(4096 + 512), kUnmovable);
  EXPECT_EQ(zone_.FreeBlocks(Order(9), kUnmovable), 1);
  // The remainder serves later requests of the type.
  EXPECT_EQ(Take(0, kUnmovable), 4097);
}

// Prediction 27 of the domain notes.
TEST_F(ZoneTest, Prediction27HalfAFreeBlockIsClaimedLessIsStolenFrom) {
  // All memory in movable pages but `free` single ones in one block, spread so that none merges.
  for (const uint64_t pairs : {127, 128}) {
    FrameTable table(FrameNumber(65536));
    Zone zone(&table, {});
    zone.AddBootMemory({kFirst, kFirst + FrameCount(1024)});
    for (int i = 0; i < 1024; ++i) {
      const FrameIndex page = zone.Remove(Order(0), kMovable, kAllowed);
      table.GiveOut(page, Order(0), page < table.IndexOf(kFirst) + 512 ? kMovable : kReclaimable);
    }
    // Blocks that the requester finds: `pairs` pairs of order 1 from the movable pageblock; the rest is of its kind.
    const FrameIndex first = table.IndexOf(kFirst);
    for (uint64_t i = 0; i < pairs; ++i) {
      for (FrameIndex page : {first + 4 * static_cast<FrameIndex>(i), first + 4 * static_cast<FrameIndex>(i) + 1}) {
        table.TakeBack(page, Order(0));
        zone.Insert(page, Order(0));
      }
    }
    const FrameIndex got = zone.Remove(Order(0), kUnmovable, kAllowed);
    ASSERT_NE(got, kNoFrameIndex);
    const bool claimed = table.block_type(first) == kUnmovable;
    EXPECT_EQ(claimed, pairs * 2 >= 256) << pairs;
    EXPECT_OK(zone.CheckInvariants());
  }
}

TEST_F(ZoneTest, AvoidingFragmentationTakesWholePageblocksOrNothing) {
  for (int i = 0; i < 8; ++i) Take(10, kMovable);
  EXPECT_EQ(Take(0, kUnmovable, kAvoided), 0);
  Give(4096, 10);
  EXPECT_EQ(Take(8, kMovable), 4096);  // the rest is one block each of orders 8 and 9
  EXPECT_EQ(Take(0, kUnmovable, kAvoided), 4096 + 512);
  EXPECT_EQ(TypeOf(4096), kMovable);
  EXPECT_EQ(TypeOf(4096 + 512), kUnmovable);
}

TEST_F(ZoneTest, MovableRequestsStealSmallBlocksAndLeaveTheirType) {
  for (int i = 0; i < 7; ++i) Take(10, kMovable);
  std::vector<uint64_t> frames;
  for (int i = 0; i < 1024; ++i) frames.push_back(Take(0, kUnmovable));
  Give(frames[10], 0);
  const uint64_t stolen = Take(0, kMovable);
  EXPECT_EQ(stolen, frames[10]);
  EXPECT_EQ(TypeOf(stolen), kUnmovable);
  EXPECT_EQ(Take(0, kMovable), 0);
}

// From 6.15 on.
TEST_F(ZoneTest, ARunThatHasBegunToStealStealsOnWithoutALookElsewhere) {
  std::vector<uint64_t> pages;
  for (int i = 0; i < 8192; ++i) pages.push_back(Take(0, kMovable));
  Give(pages[100], 0);
  Zone::Run run = Zone::Run::kFromLists;
  EXPECT_NE(zone_.RemoveNext(Order(0), kUnmovable, kAllowed, &run), kNoFrameIndex);
  EXPECT_EQ(run, Zone::Run::kStealing);
  // Whole blocks come free, which a new run claims.
  for (size_t i = 2048; i < 8192; ++i) Give(pages[i], 0);
  const FrameIndex stolen = zone_.RemoveNext(Order(0), kUnmovable, kAllowed, &run);
  ASSERT_NE(stolen, kNoFrameIndex);
  EXPECT_EQ(table_.block_type(stolen), kMovable);
  EXPECT_EQ(TypeOf(Take(0, kUnmovable)), kUnmovable);
}

TEST_F(ZoneTest, FreedPagesGoToTheListOfTheirBlock) {
  const uint64_t frame = Take(0, kUnmovable);
  const uint64_t other = Take(0, kUnmovable);
  Give(frame, 0);
  EXPECT_EQ(zone_.FreeBlocks(Order(0), kUnmovable), 1);
  EXPECT_EQ(zone_.FreeBlocks(Order(0), kMovable), 0);
  Give(other, 0);
}

TEST_F(ZoneTest, APageWhosePairWouldMergeOnGoesToTheTail) {
  std::vector<uint64_t> frames;
  for (int i = 0; i < 1024; ++i) frames.push_back(Take(0, kMovable));
  Give(frames[100], 0);
  // 8..9 are still out, 10..11 come free as a pair: 8's buddy 9 is not free, but the next pair is.
  Give(frames[10], 0);
  Give(frames[11], 0);
  Give(frames[8], 0);
  EXPECT_EQ(Take(0, kMovable), frames[100]);
  EXPECT_EQ(Take(0, kMovable), frames[8]);
}

TEST(ZoneBootTest, OddEndsAreCutIntoTheLargestBlocksThatFit) {
  FrameTable table(FrameNumber(65536));
  Zone zone(&table, {});
  zone.AddBootMemory({FrameNumber(4096 + 1023), FrameNumber(4096 + 2048 + 3)});
  EXPECT_EQ(zone.free_frames(), FrameCount(1 + 1024 + 3));
  EXPECT_EQ(zone.FreeBlocks(Order(0), kMovable), 2);
  EXPECT_EQ(zone.FreeBlocks(Order(1), kMovable), 1);
  EXPECT_EQ(zone.FreeBlocks(kMaxOrder, kMovable), 1);
  EXPECT_OK(zone.CheckInvariants());
}

}  // namespace
}  // namespace dmfrag::model
