#include "worker/policy/idle_pages.h"

#include <algorithm>
#include <deque>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "worker/workload/random.h"

namespace dmfrag::policy {
namespace {

using model::FrameCount;
using model::FrameNumber;
using model::FrameRange;
using model::kFramesPer2M;
using model::kPageblockOrder;
using model::Order;

constexpr uint64_t kPages = 4 * 512;  // of the programs

std::vector<FrameNumber> PagesOf(const IdlePages& idle) {
  std::vector<FrameNumber> pages;
  idle.ForEach([&](FrameNumber page) { pages.push_back(page); });
  std::ranges::sort(pages);
  return pages;
}

std::vector<FrameNumber> AllOf(IdlePages& idle, FrameNumber block) {
  std::vector<FrameNumber> pages;
  idle.TakeAllOf(block, [&](FrameNumber page) { pages.push_back(page); });
  std::ranges::sort(pages);
  return pages;
}

// Slow and obvious: a queue of single pages.
class ReferenceRecent {
 public:
  void Add(FrameRange pages) {
    for (FrameNumber page = pages.first; page < pages.end; page = page + FrameCount(1)) queue_.push_back(page);
  }
  std::optional<FrameNumber> Take(Order) { return TakeAt(queue_.size() - 1); }
  std::optional<PageBlock> TakeLeastWanted() {
    const auto page = TakeAt(0);
    return page.has_value() ? std::optional(PageBlock{*page, Order(0)}) : std::nullopt;
  }
  bool Has(FrameNumber page) const { return std::ranges::find(queue_, page) != queue_.end(); }
  void Remove(FrameNumber page) { std::erase(queue_, page); }
  std::vector<FrameNumber> Sorted() const {
    std::vector<FrameNumber> pages(queue_.begin(), queue_.end());
    std::ranges::sort(pages);
    return pages;
  }

 private:
  std::optional<FrameNumber> TakeAt(size_t index) {
    if (queue_.empty()) return std::nullopt;
    const FrameNumber page = queue_[index];
    queue_.erase(queue_.begin() + static_cast<ptrdiff_t>(index));
    return page;
  }
  std::deque<FrameNumber> queue_;
};

// Slow and obvious: a set of pages, whose largest aligned parts are its blocks.
class ReferenceBuddy {
 public:
  void Add(FrameRange pages) {
    for (FrameNumber page = pages.first; page < pages.end; page = page + FrameCount(1)) pages_.insert(page);
  }
  std::optional<FrameNumber> Take(Order order) {
    for (unsigned from = order.raw(); from <= kPageblockOrder.raw(); ++from) {
      const auto block = Lowest(Order(from));
      if (!block.has_value()) continue;
      RemoveBlock(*block, order);
      return block;
    }
    return std::nullopt;
  }
  std::optional<PageBlock> TakeLeastWanted() {
    for (unsigned order = 0; order <= kPageblockOrder.raw(); ++order) {
      const auto block = Lowest(Order(order));
      if (!block.has_value()) continue;
      RemoveBlock(*block, Order(order));
      return PageBlock{*block, Order(order)};
    }
    return std::nullopt;
  }
  bool Has(FrameNumber page) const { return pages_.contains(page); }
  void Remove(FrameNumber page) { pages_.erase(page); }
  std::vector<FrameNumber> Sorted() const { return {pages_.begin(), pages_.end()}; }

 private:
  bool IsFree(FrameNumber block, Order order) const {
    for (FrameCount i; i < order.frames(); i += FrameCount(1)) {
      if (!pages_.contains(block + i)) return false;
    }
    return true;
  }
  std::optional<FrameNumber> Lowest(Order order) const {
    for (FrameNumber block(0); block.raw() < kPages; block = block + order.frames()) {
      if (!IsFree(block, order)) continue;
      const Order parent(order.raw() + 1);
      if (order == kPageblockOrder || !IsFree(block.AlignedDown(parent.frames()), parent)) return block;
    }
    return std::nullopt;
  }
  void RemoveBlock(FrameNumber block, Order order) {
    for (FrameCount i; i < order.frames(); i += FrameCount(1)) pages_.erase(block + i);
  }
  std::set<FrameNumber> pages_;
};

template <typename Reference>
void Compare(IdlePages& idle, bool has_blocks, uint64_t seed) {
  workload::Random random(seed);
  Reference reference;
  for (int step = 0; step < 600; ++step) {
    const FrameNumber page(random.Below(kPages));
    switch (random.Below(8)) {
      case 0:
      case 1:
      case 2: {
        FrameNumber end = page;
        const uint64_t most = random.Below(4) == 0 ? 600 : 8;
        while (end.raw() < kPages && (end - page).raw() < most && !reference.Has(end)) end = end + FrameCount(1);
        idle.Add({page, end});
        reference.Add({page, end});
        break;
      }
      case 3:
      case 4:
      case 5: {
        const Order order(has_blocks ? static_cast<unsigned>(random.Below(10)) : 0);
        ASSERT_EQ(idle.Take(order), reference.Take(order)) << "order " << order.raw();
        break;
      }
      case 6:
        ASSERT_EQ(idle.TakeLeastWanted(), reference.TakeLeastWanted());
        break;
      case 7: {
        if (random.Below(4) != 0) break;
        const FrameNumber block = page.AlignedDown(kFramesPer2M);
        std::vector<FrameNumber> expected;
        for (FrameCount i; i < kFramesPer2M; i += FrameCount(1)) {
          if (reference.Has(block + i)) expected.push_back(block + i);
        }
        for (const FrameNumber gone : expected) reference.Remove(gone);
        ASSERT_EQ(AllOf(idle, block), expected);
        break;
      }
    }
    ASSERT_EQ(idle.count().raw(), reference.Sorted().size());
    ASSERT_EQ(PagesOf(idle), reference.Sorted());
  }
}

TEST(IdlePagesTest, RecentPagesAreAQueueOfSinglePages) {
  for (uint64_t seed = 1; seed <= 10 && !::testing::Test::HasFatalFailure(); ++seed) {
    Compare<ReferenceRecent>(*MakeRecentPages(), /*has_blocks=*/false, seed);
  }
}

TEST(IdlePagesTest, BuddyPagesAreTheLargestAlignedPartsOfASet) {
  for (uint64_t seed = 1; seed <= 6 && !::testing::Test::HasFatalFailure(); ++seed) {
    Compare<ReferenceBuddy>(*MakeBuddyPages(), /*has_blocks=*/true, seed);
  }
}

// Entries of pages that were taken with their block do not pile up, nor do they come back to life.
TEST(IdlePagesTest, APageThatCameBackAfterItsBlockWasTakenIsThereOnce) {
  const auto idle = MakeRecentPages();
  for (int round = 0; round < 10; ++round) {
    idle->Add({FrameNumber(512), FrameNumber(1024)});
    EXPECT_EQ(AllOf(*idle, FrameNumber(512)).size(), 512U);
  }
  idle->Add({FrameNumber(513), FrameNumber(514)});
  EXPECT_EQ(PagesOf(*idle), std::vector{FrameNumber(513)});
  EXPECT_EQ(idle->TakeLeastWanted(), (PageBlock{FrameNumber(513), Order(0)}));
  EXPECT_EQ(idle->Take(Order(0)), std::nullopt);
}

}  // namespace
}  // namespace dmfrag::policy
