#include <array>
#include <cstdint>
#include <deque>
#include <unordered_map>

#include "third_party/abseil_extras/check.h"
#include "worker/policy/idle_pages.h"

namespace dmfrag::policy {
namespace {

using model::FrameCount;
using model::FrameNumber;
using model::FrameRange;
using model::kFramesPer2M;
using model::Order;

// Every arrival has a number; an entry of the queue whose number is not its page's last one is of a page that was taken
// with its block, and is passed over.
class RecentPages final : public IdlePages {
 public:
  void Add(FrameRange pages) override {
    for (FrameNumber page = pages.first; page < pages.end; page = page + FrameCount(1)) {
      uint64_t& arrival = ArrivalOf(page);
      DCHECK(arrival == 0);
      arrival = ++arrivals_;
      queue_.push_back({page, arrival});
    }
    count_ += pages.count();
  }

  std::optional<FrameNumber> Take(Order order) override {
    DCHECK(order == Order(0));
    while (!queue_.empty()) {
      const Entry entry = queue_.back();
      queue_.pop_back();
      if (TakeIfThere(entry)) return entry.page;
    }
    return std::nullopt;
  }

  std::optional<PageBlock> TakeLeastWanted() override {
    while (!queue_.empty()) {
      const Entry entry = queue_.front();
      queue_.pop_front();
      if (TakeIfThere(entry)) return PageBlock{entry.page, Order(0)};
    }
    return std::nullopt;
  }

  void TakeAllOf(FrameNumber block, const std::function<void(FrameNumber)>& visit) override {
    const auto found = blocks_.find(block.raw());
    if (found == blocks_.end()) return;
    for (FrameCount i; i < kFramesPer2M; i += FrameCount(1)) {
      if (found->second[i.raw()] == 0) continue;
      found->second[i.raw()] = 0;
      count_ -= FrameCount(1);
      visit(block + i);
    }
    blocks_.erase(found);
    if (queue_.size() > 2 * count_.raw() + 1024) {
      std::erase_if(queue_, [this](const Entry& entry) { return !IsThere(entry); });
    }
  }

  FrameCount count() const override { return count_; }

  void ForEach(const std::function<void(FrameNumber)>& visit) const override {
    for (const Entry& entry : queue_) {
      if (IsThere(entry)) visit(entry.page);
    }
  }

 private:
  struct Entry {
    FrameNumber page;
    uint64_t arrival;
  };
  using Arrivals = std::array<uint64_t, 512>;  // of a block's pages; 0: not there

  uint64_t& ArrivalOf(FrameNumber page) {
    return blocks_.try_emplace(page.AlignedDown(kFramesPer2M).raw()).first->second[page.raw() % 512];
  }
  bool IsThere(const Entry& entry) const {
    const auto found = blocks_.find(entry.page.AlignedDown(kFramesPer2M).raw());
    return found != blocks_.end() && found->second[entry.page.raw() % 512] == entry.arrival;
  }
  bool TakeIfThere(const Entry& entry) {
    if (!IsThere(entry)) return false;
    ArrivalOf(entry.page) = 0;
    count_ -= FrameCount(1);
    return true;
  }

  std::deque<Entry> queue_;                        // the back is taken first
  std::unordered_map<uint64_t, Arrivals> blocks_;  // looked up by key alone, never walked
  uint64_t arrivals_ = 0;
  FrameCount count_;
};

}  // namespace

std::unique_ptr<IdlePages> MakeRecentPages() { return std::make_unique<RecentPages>(); }

}  // namespace dmfrag::policy
