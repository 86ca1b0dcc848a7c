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

class CompactionTest : public ::testing::Test, private MovableFrames {
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

TEST_F(CompactionTest, EmptyMemoryNeedsNone) {
  EXPECT_FALSE(compaction_.MakeFreeBlock(0));
  EXPECT_EQ(compaction_.moved_frames(), 0);
}

}  // namespace
}  // namespace dmfrag::model
