#include "worker/model/compaction.h"

#include <map>
#include <memory>
#include <set>

#include "gtest/gtest.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/model/allocator_rules.h"
#include "worker/model/memory_map.h"

namespace dmfrag::model {
namespace {

constexpr FrameRange kZone{FrameNumber(4096), FrameNumber(65536)};

class CompactionTest : public ::testing::Test, protected MovableFrames {
 protected:
  // Fills the zone with movable pages and then frees two of three.
  void Fragment() {
    std::vector<FrameNumber> pages;
    while (const auto page = allocator_.Allocate(Order(0), Migratetype::kMovable)) {
      if (*page >= kZone.first) pages.push_back(*page);
    }
    for (size_t i = 0; i < pages.size(); ++i) {
      if (i % 3 == 0) {
        movable_.insert(pages[i].raw());
      } else {
        allocator_.Free(pages[i], Order(0));
      }
    }
    allocator_.DrainPerCpu();
  }

  uint64_t WholeBlocks() const {
    return allocator_.FreeBlocksInZoneOf(kZone.first, kPageblockOrder) +
           2 * allocator_.FreeBlocksInZoneOf(kZone.first, kMaxOrder);
  }

  bool IsMovable(FrameNumber frame) const override { return movable_.contains(frame.raw()); }
  void Moved(FrameNumber from, FrameNumber to) override {
    EXPECT_EQ(movable_.erase(from.raw()), 1);
    EXPECT_TRUE(movable_.insert(to.raw()).second);
    EXPECT_GT(to, from);
  }

  PageAllocator allocator_{*MemoryMap::Pc(uint64_t{256} << 20), 1, AllocatorRules()};
  std::set<uint64_t> movable_;
  Compaction compaction_{&allocator_, kZone, this};
};

TEST_F(CompactionTest, MakesOneWholeBlockAtATime) {
  Fragment();
  const uint64_t before = WholeBlocks();  // what the watermark kept back
  ASSERT_LT(before, 10);
  const size_t pages = movable_.size();
  const FrameCount free = allocator_.free_frames() + allocator_.per_cpu_frames();
  EXPECT_TRUE(compaction_.MakeFreeBlock(0));
  EXPECT_EQ(WholeBlocks(), before + 1);
  EXPECT_EQ(movable_.size(), pages);
  EXPECT_EQ(allocator_.free_frames() + allocator_.per_cpu_frames(), free);
  EXPECT_GT(compaction_.moved_frames(), 100);
  EXPECT_LT(compaction_.moved_frames(), 300);
  EXPECT_OK(allocator_.CheckInvariants());
}

TEST_F(CompactionTest, AFullRunLeavesLessThanOneBlockInThreeInUse) {
  Fragment();
  compaction_.Run(0);
  EXPECT_GT(WholeBlocks(), 60);  // of 120, a third of them needed
  EXPECT_OK(allocator_.CheckInvariants());
}

TEST_F(CompactionTest, BlocksWithPagesThatCannotMoveStay) {
  Fragment();
  movable_.clear();
  const uint64_t before = WholeBlocks();
  EXPECT_FALSE(compaction_.MakeFreeBlock(0));
  EXPECT_EQ(WholeBlocks(), before);
  EXPECT_EQ(compaction_.moved_frames(), 0);
}

TEST_F(CompactionTest, SmallerBlocksNeedFewerPagesToMove) {
  Fragment();
  // One page in every pageblock cannot move: whole ones are out of reach, smaller ones are not.
  for (FrameNumber block = kZone.first; block < kZone.end; block = block + kFramesPer2M) {
    const auto first = movable_.lower_bound(block.raw());
    if (first != movable_.end()) movable_.erase(first);
  }
  const uint64_t before = allocator_.FreeBlocks(Order(5));
  EXPECT_FALSE(compaction_.MakeFreeBlock(0));
  EXPECT_EQ(compaction_.moved_frames(), 0);
  EXPECT_TRUE(compaction_.MakeFreeBlock(0, Order(5)));
  EXPECT_GT(allocator_.FreeBlocks(Order(5)) + allocator_.FreeBlocks(Order(6)), before);
  EXPECT_LE(compaction_.moved_frames(), 32);
  EXPECT_OK(allocator_.CheckInvariants());
}

TEST_F(CompactionTest, BlocksOfTwoPageblocksCanBeMade) {
  Fragment();
  const uint64_t before = allocator_.FreeBlocksInZoneOf(kZone.first, kMaxOrder);
  EXPECT_TRUE(compaction_.MakeFreeBlock(0, kMaxOrder));
  EXPECT_EQ(allocator_.FreeBlocksInZoneOf(kZone.first, kMaxOrder), before + 1);
  EXPECT_OK(allocator_.CheckInvariants());
}

TEST_F(CompactionTest, UntouchedMemoryOfALargeMachineIsPassedBy) {
  PageAllocator large(*MemoryMap::Pc(uint64_t{4} << 40), 1, AllocatorRules());
  const PageAllocator::ZoneInfo zone = large.InfoOf(2);
  EXPECT_EQ(zone.frames.first, FrameNumber(1 << 20));
  Compaction compaction(&large, zone.frames, this);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(compaction.MakeFreeBlock(0));  // seconds, if every frame were looked at
  // Pages at one end of it find no free frame but in whole blocks.
  const FrameNumber page = *large.Allocate(Order(0), Migratetype::kMovable);
  movable_ = {page.raw()};
  EXPECT_FALSE(compaction.MakeFreeBlock(0));
  EXPECT_EQ(movable_, std::set<uint64_t>{page.raw()});
}

TEST_F(CompactionTest, EmptyMemoryNeedsNone) {
  EXPECT_FALSE(compaction_.MakeFreeBlock(0));
  EXPECT_EQ(compaction_.moved_frames(), 0);
}

}  // namespace
}  // namespace dmfrag::model
