#include <algorithm>
#include <array>
#include <bit>
#include <set>

#include "worker/policy/idle_pages.h"

namespace dmfrag::policy {
namespace {

using model::FrameCount;
using model::FrameNumber;
using model::FrameRange;
using model::kPageblockOrder;
using model::Order;

FrameNumber BuddyOf(FrameNumber block, Order order) { return FrameNumber(block.raw() ^ order.frames().raw()); }

class BuddyPages final : public IdlePages {
 public:
  void Add(FrameRange pages) override {
    for (FrameNumber first = pages.first; first < pages.end;) {
      const Order order = LargestAt(first, pages.end);
      Insert(first, order);
      first = first + order.frames();
    }
    count_ += pages.count();
  }

  std::optional<FrameNumber> Take(Order order) override {
    for (unsigned from = order.raw(); from <= kPageblockOrder.raw(); ++from) {
      std::set<FrameNumber>& blocks = free_[from];
      if (blocks.empty()) continue;
      const FrameNumber first = *blocks.begin();
      blocks.erase(blocks.begin());
      for (unsigned half = from; half-- > order.raw();) free_[half].insert(first + Order(half).frames());
      count_ -= order.frames();
      return first;
    }
    return std::nullopt;
  }

  std::optional<PageBlock> TakeLeastWanted() override {
    for (unsigned order = 0; order <= kPageblockOrder.raw(); ++order) {
      if (free_[order].empty()) continue;
      const FrameNumber first = *free_[order].begin();
      free_[order].erase(free_[order].begin());
      count_ -= Order(order).frames();
      return PageBlock{first, Order(order)};
    }
    return std::nullopt;
  }

  void TakeAllOf(FrameNumber block, const std::function<void(FrameNumber)>& visit) override {
    const FrameNumber end = block + kPageblockOrder.frames();
    for (unsigned order = 0; order <= kPageblockOrder.raw(); ++order) {
      std::set<FrameNumber>& blocks = free_[order];
      for (auto found = blocks.lower_bound(block); found != blocks.end() && *found < end;) {
        const FrameNumber first = *found;
        found = blocks.erase(found);
        count_ -= Order(order).frames();
        for (FrameCount i; i < Order(order).frames(); i += FrameCount(1)) visit(first + i);
      }
    }
  }

  FrameCount count() const override { return count_; }

  void ForEach(const std::function<void(FrameNumber)>& visit) const override {
    for (unsigned order = 0; order <= kPageblockOrder.raw(); ++order) {
      for (const FrameNumber first : free_[order]) {
        for (FrameCount i; i < Order(order).frames(); i += FrameCount(1)) visit(first + i);
      }
    }
  }

 private:
  // The largest aligned block that starts at `first` and ends by `end`.
  static Order LargestAt(FrameNumber first, FrameNumber end) {
    const unsigned aligned = static_cast<unsigned>(std::countr_zero(first.raw()));
    const unsigned fitting = static_cast<unsigned>(std::bit_width((end - first).raw())) - 1;
    return Order(std::min({aligned, fitting, kPageblockOrder.raw()}));
  }
  void Insert(FrameNumber block, Order order) {
    while (order < kPageblockOrder && free_[order.raw()].erase(BuddyOf(block, order)) > 0) {
      block = std::min(block, BuddyOf(block, order));
      order = Order(order.raw() + 1);
    }
    free_[order.raw()].insert(block);
  }

  std::array<std::set<FrameNumber>, kPageblockOrder.raw() + 1> free_;
  FrameCount count_;
};

}  // namespace

std::unique_ptr<IdlePages> MakeBuddyPages() { return std::make_unique<BuddyPages>(); }

}  // namespace dmfrag::policy
