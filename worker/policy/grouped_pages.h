#ifndef DMFRAG_WORKER_POLICY_GROUPED_PAGES_H_
#define DMFRAG_WORKER_POLICY_GROUPED_PAGES_H_

#include <array>
#include <bitset>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "worker/model/machine.h"
#include "worker/model/units.h"
#include "worker/policy/block_source.h"
#include "worker/policy/cache_options.h"
#include "worker/policy/idle_pages.h"
#include "worker/policy/interface.h"

namespace dmfrag::policy {

// Pages that come in blocks, are kept in one state, and are given out in parts: what every cache is made of. "These
// caches can share the implementation, but there will be different instances" (seed letter).
//
// On a miss a block is taken from the page allocator, its entries are brought into the state of cached pages, and what
// the caller does not need stays. How much is taken at once is the source's matter, which page goes next that of the
// idle pages. Pages go back to the page allocator one by one, or as whole 2M blocks whose large page is restored.
// Data of a former owner that goes on to another one is counted as leaked. Thread-compatible. Memory of the host: 6 to
// 10 KiB per 2M block it has pages of. Events are charged to the machine's account.
class GroupedPages {
 public:
  struct Rules {
    CacheOptions::Entry entry = CacheOptions::Entry::kMapped;
    CacheOptions::Restore restore = CacheOptions::Restore::kNever;
    CacheOptions::AtomicMiss atomic_miss = CacheOptions::AtomicMiss::kDeny;
    uint32_t atomic_reserve_pages = 0;
    // Whole idle 2M blocks that kCollapse leaves in the cache, so that the next caller finds one: 1 is a guess; a cache
    // whose blocks change hands as a whole has none.
    uint32_t idle_blocks_kept = 1;
    // Of the pageblocks it takes pages of, until they go back as a whole; 0: none.
    uint8_t pageblock_mark = 0;
    // Pages are cleared before they go back to the page allocator.
    bool zeroes_on_return = false;
    // Of a refill only as much is made not present as was asked for (unmapped_alloc's draft).
    bool draft_refill_defect = false;
  };

  // Borrows `machine`.
  GroupedPages(model::Machine* machine, std::unique_ptr<IdlePages> idle, std::unique_ptr<BlockSource> source,
               const Rules& rules);

  // The page's state is state(). nullopt: no memory, or none for a split; nothing has changed then.
  std::optional<model::FrameNumber> Take(const PageRequest& request);
  // Takes back what Take gave to this user. REQUIRES: the block is in state().
  void Put(model::FrameNumber block, model::Order order, const CacheUser& user);
  // Takes a single page that is the page allocator's, or was ordinary traffic's, whose data is in it then.
  // REQUIRES: it is mapped. False: no memory for a split; it is not taken.
  bool Adopt(model::FrameNumber page, bool was_used);
  // The page goes to the page allocator past the cache. REQUIRES: Take gave it; it is mapped.
  void Escape(model::FrameNumber page);

  // As CacheType::Shrink. `live` may be null.
  model::FrameCount Shrink(model::FrameCount at_most, LiveCachedPages* live);

  PageState state() const;
  bool Owns(model::FrameNumber page) const;
  model::FrameCount idle() const { return idle_->count() + model::FrameCount(reserve_.size()); }
  absl::Status CheckInvariants() const;

 private:
  // Who used a page last: its data may still be there.
  using Owner = uint32_t;
  static constexpr Owner kNobody = 0;
  static constexpr Owner kOrdinary = ~Owner{0};
  static Owner OwnerOf(const CacheUser& user) { return user.number + 1; }

  // A 2M block of which pages are the cache's.
  struct Block {
    std::bitset<512> owned;  // idle, in the reserve, or given out
    std::bitset<512> idle;
    bool is_stuck = false;  // it could not be restored, and nothing has come back since
    std::array<Owner, 512> owners = {};
    bool IsWhole() const { return idle.all(); }
  };
  using Pages = std::vector<model::FrameNumber>;

  std::optional<model::FrameNumber> TakeIdle(const PageRequest& request);
  std::optional<model::FrameNumber> TakeOnAtomicMiss(const PageRequest& request);
  std::optional<model::FrameNumber> Refill(const PageRequest& request);
  void GiveUpRefill(const std::vector<model::FrameRange>& runs);
  void FillReserve();

  // Brings entries of pages that are mapped into the cached state, or back. False: no memory for a split, and they are
  // as they were.
  bool MakeCached(model::FrameRange pages);
  bool MakeNotPresent(model::FrameRange pages, model::FrameCount at_once);
  bool MakeMapped(model::FrameRange pages);
  bool IsAsCached(model::FrameNumber page) const;
  // The page is mapped by a 4K entry, or its user needs no change.
  bool NeedsNoSplit(model::FrameNumber page, const CacheUser& user) const;
  bool IsMappedBy4K(model::FrameNumber page) const;

  Block& BlockOf(model::FrameNumber page) { return blocks_[page.AlignedDown(model::kFramesPer2M)]; }
  void Own(model::FrameRange pages, Owner owner);
  void Disown(model::FrameRange pages);
  void AddIdle(model::FrameRange pages);
  void CountTaken(model::FrameRange pages);
  // All idle pages of a 2M block, off the list.
  Pages TakeAllOf(model::FrameNumber block);
  // What the new user of pages finds in them; what the page allocator does.
  void HandOver(model::FrameRange pages, const CacheUser& user);
  void ClearOrLeak(model::FrameRange pages);

  // To the page allocator. False: no memory for a split; the pages stay.
  bool GiveBack(PageBlock block);
  // The same for a whole block, with a large page again if `restore` can be had.
  bool GiveBackWhole(model::FrameNumber block, bool restore);
  void RestoreSpareBlock(model::FrameNumber block);
  // Makes one block whole, and gives it back. False: none can be made.
  bool CompactAndGiveBack(LiveCachedPages* live);
  // The block with the fewest pages in use, all of which can be moved.
  std::optional<model::FrameNumber> EasiestToEmpty(const LiveCachedPages* live);
  bool CanEmpty(model::FrameNumber first, const Block& block, const LiveCachedPages* live) const;
  // Moves what is in use of a block elsewhere, and takes all of it off the list. False: it is as it was, or less in
  // use.
  bool Empty(model::FrameNumber first, LiveCachedPages* live);
  bool MoveAway(model::FrameNumber page, LiveCachedPages* live);

  model::Machine* machine_;
  std::unique_ptr<IdlePages> idle_;
  std::unique_ptr<BlockSource> source_;
  Rules rules_;
  std::map<model::FrameNumber, Block> blocks_;
  std::deque<model::FrameNumber> reserve_;
  uint32_t whole_blocks_ = 0;
};

}  // namespace dmfrag::policy

#endif  // DMFRAG_WORKER_POLICY_GROUPED_PAGES_H_
