#ifndef DMFRAG_WORKER_POLICY_IDLE_PAGES_H_
#define DMFRAG_WORKER_POLICY_IDLE_PAGES_H_

#include <functional>
#include <memory>
#include <optional>

#include "worker/model/units.h"

namespace dmfrag::policy {

// A block of 2^order pages, naturally aligned.
struct PageBlock {
  model::FrameNumber first;
  model::Order order;
  friend bool operator==(const PageBlock&, const PageBlock&) = default;
};

// The pages that a cache holds, in the order in which it gives them out. Thread-compatible.
class IdlePages {
 public:
  virtual ~IdlePages() = default;

  // Adds pages. REQUIRES: none of them is there.
  virtual void Add(model::FrameRange pages) = 0;
  // Takes the block that goes to the next caller. nullopt: there is none of this order.
  virtual std::optional<model::FrameNumber> Take(model::Order order) = 0;
  // Takes the block that a shrinker gives up first. nullopt: there is none.
  virtual std::optional<PageBlock> TakeLeastWanted() = 0;
  // Takes every page of a 2M block, and calls `visit` with each.
  virtual void TakeAllOf(model::FrameNumber block, const std::function<void(model::FrameNumber)>& visit) = 0;

  // Pages held. Constant time.
  virtual model::FrameCount count() const = 0;
  // Calls `visit` with each page.
  virtual void ForEach(const std::function<void(model::FrameNumber)>& visit) const = 0;
};

// Single pages, that came in last first (list_lru, MRU end): takes of constant time on average. The least wanted is the
// one that has been idle longest.
std::unique_ptr<IdlePages> MakeRecentPages();

// A buddy allocator of blocks up to 2M: the smallest that fits, lowest address first. The least wanted are the smallest
// blocks. Takes of logarithmic time.
std::unique_ptr<IdlePages> MakeBuddyPages();

}  // namespace dmfrag::policy

#endif  // DMFRAG_WORKER_POLICY_IDLE_PAGES_H_
