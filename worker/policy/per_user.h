#ifndef DMFRAG_WORKER_POLICY_PER_USER_H_
#define DMFRAG_WORKER_POLICY_PER_USER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "worker/model/machine.h"
#include "worker/model/units.h"
#include "worker/policy/cache_options.h"
#include "worker/policy/grouped_pages.h"
#include "worker/policy/interface.h"

namespace dmfrag::policy {

// Cache type `per-user`: a cache for each user of permissions, with a free function of its own.
//
// Source: the seed letter's "Alternatives" ("per-user caches, e.g one for the page tables, another for vmalloc etc."),
// and the grouped pages of the PKS series (May and August 2021), get_grouped_page and free_grouped_page.
//  - Each user has a list. Allocation takes the page that came in last; on a miss it takes a block of the refill order
//    and keeps the rest, or a single page if there is none. Nothing is mapped with 4K entries beforehand: the user's
//    own first change splits the block.
//  - Pages come back by the user's own call, to its own list; no free of others is diverted.
//  - The shrinker gives pages to the page allocator. Nothing is ever restored.
// Departures: one list a user instead of one a node; the shrinker is asked below a share of free memory instead of by
// reclaim's scan counts, and takes from the longest list first; packs that several users share have a list of their
// own; page tables of the direct map come from where table_source says.
class PerUserCache final : public CacheType {
 public:
  // Borrows `machine`, which must outlive it. REQUIRES: options.refill_order <= kPageblockOrder.
  PerUserCache(model::Machine* machine, const CacheOptions& options);
  ~PerUserCache() override;

  std::string name() const override { return "per_user"; }
  CacheType& ForUser(uint32_t user) override;
  // For what no user has alone: packs.
  std::optional<model::FrameNumber> Allocate(const PageRequest& request) override { return TakeFrom(shared_, request); }
  void Free(model::FrameNumber frame) override { shared_.Put(frame); }
  model::FrameCount Shrink(model::FrameCount at_most) override;
  model::FrameCount shrink_below() const override { return shrink_below_; }
  model::FrameCount idle_pages() const override;
  absl::Status CheckInvariants() const override;

 private:
  class Face;

  static std::optional<model::FrameNumber> TakeFrom(GroupedPages& pages, const PageRequest& request);
  GroupedPages& Longest();

  model::Machine* machine_;
  GroupedPages::Options options_;
  model::FrameCount shrink_below_;
  GroupedPages shared_;
  std::map<uint32_t, std::unique_ptr<Face>> faces_;  // by user
};

}  // namespace dmfrag::policy

#endif  // DMFRAG_WORKER_POLICY_PER_USER_H_
