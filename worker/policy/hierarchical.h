#ifndef DMFRAG_WORKER_POLICY_HIERARCHICAL_H_
#define DMFRAG_WORKER_POLICY_HIERARCHICAL_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "worker/model/machine.h"
#include "worker/model/units.h"
#include "worker/policy/cache_options.h"
#include "worker/policy/grouped_cache.h"

namespace dmfrag::policy {

// Cache type `hierarchical`: one global cache of pages that are not present; users of category two have caches of their
// own that feed on it.
//
// Source: the seed letter's last paragraphs: "something would have a big cache of grouped unmapped pages that category
// one usages could share. And then little category two allocators could have their own caches that feed on it too."
//  - The global cache is that of `unmapped_buddy`, for single pages. Category one shares it; nothing is flushed.
//  - A user of category two asks it for unmapped pages, a batch at a time, and converts each without a flush. What it
//    frees keeps its permission and goes to its own list (pages in a cache with their key set, PKS series v2, 03/19:
//    pre_add_to_cache), the last one first out.
//  - A list that has grown gives a batch back, not present, at one flush.
// Departures: nobody has built it; the batch and the length of a list are guesses.
class HierarchicalCache final : public GroupedCache {
 public:
  // Borrows `machine`, which must outlive it. REQUIRES: options.refill_order <= kPageblockOrder;
  // options.category_two_batch >= 1.
  HierarchicalCache(model::Machine* machine, const CacheOptions& options);

  std::optional<CachedPage> Allocate(const PageRequest& request) override;
  PageState StateOnFree(const CacheUser& user) const override;
  void Free(model::FrameNumber block, model::Order order, const CacheUser& user, PageState is) override;
  model::FrameCount Shrink(model::FrameCount at_most) override;
  model::FrameCount idle_pages() const override;
  absl::Status CheckInvariants() const override;

 private:
  // Pages of one user of category two.
  struct OwnPages {
    CacheUser user;
    std::deque<model::FrameNumber> in_use = {};       // with its permission; the back is taken first
    std::deque<model::FrameNumber> not_present = {};  // what is left of the last batch
    size_t count() const { return in_use.size() + not_present.size(); }
  };

  bool FetchBatch(const PageRequest& request, OwnPages& own);
  // Gives the oldest pages back to the global cache, at one flush.
  model::FrameCount ReturnTo(OwnPages& own, size_t pages);

  const uint32_t batch_;
  const uint32_t high_;
  std::map<uint32_t, OwnPages> own_;  // by user
};

}  // namespace dmfrag::policy

#endif  // DMFRAG_WORKER_POLICY_HIERARCHICAL_H_
