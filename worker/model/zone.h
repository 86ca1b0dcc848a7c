#ifndef DMFRAG_WORKER_MODEL_ZONE_H_
#define DMFRAG_WORKER_MODEL_ZONE_H_

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "worker/model/frame_list.h"
#include "worker/model/frame_table.h"
#include "worker/model/migratetype.h"
#include "worker/model/units.h"

namespace dmfrag::model {

// The buddy lists of one zone: free blocks by order and migratetype, in the kernel's list order.
//
// Source: mm/page_alloc.c of a 2026 tree: __rmqueue_smallest, __rmqueue_claim, try_to_claim_block, __rmqueue_steal,
// __free_one_page (domain 5.1 to 5.3). Older kernels differ where a block is claimed in part: they move its free pages
// before they count them.
// Simplifications: no watermark boost, no isolation, no HIGHATOMIC or CMA; whole blocks of kMaxOrder that were never
// given out stay ranges of frames, behind every block that was ever freed, lowest first, as boot leaves them.
// Thread-compatible. Operations take constant time per order; claiming part of a pageblock takes up to 512 steps.
class Zone {
 public:
  // How far an allocation may go for the sake of not mixing types: ALLOC_NOFRAGMENT claims whole pageblocks alone.
  enum class Fragmentation { kAllowed, kAvoided };

  // Borrows `table`, which must outlive the zone.
  explicit Zone(FrameTable* table) : table_(table) {}

  // Gives memory to the zone, once, at boot: [range.first, range.end), in ascending order of calls.
  // REQUIRES: boundaries of zones are multiples of a kMaxOrder block.
  void AddBootMemory(FrameRange range);

  // Takes a block out of the free lists; its record's state becomes kNone. kNoFrameIndex: no block of that order is to
  // be had.
  FrameIndex Remove(Order order, Migratetype type, Fragmentation fragmentation);

  // Puts a block into the free lists, with its buddies as far as they are free.
  void Insert(FrameIndex block, Order order);

  // Frames in the free lists (nr_free_pages). Per-CPU lists are elsewhere.
  FrameCount free_frames() const { return free_; }
  // Frames it was given at boot.
  FrameCount managed_frames() const { return managed_; }
  // Free blocks of one order and type, untouched ones included.
  uint64_t FreeBlocks(Order order, Migratetype type) const;

  // Walks every list and checks it against the records. Linear in free blocks. Errors: kInternal names the place.
  absl::Status CheckInvariants() const;
  const std::deque<FrameRange>& untouched() const { return untouched_; }

 private:
  FrameList& list(Order order, Migratetype type) { return lists_[order.raw()][static_cast<unsigned>(type)]; }
  const FrameList& list(Order order, Migratetype type) const {
    return lists_[order.raw()][static_cast<unsigned>(type)];
  }
  bool HasBlock(Order order, Migratetype type) const;

  void AddToList(FrameIndex block, Order order, Migratetype type, bool to_tail);
  void RemoveFromList(FrameIndex block);
  // The block the list hands out first, taken off the list. REQUIRES: HasBlock.
  FrameIndex TakeFirst(Order order, Migratetype type);
  FrameIndex TakeUntouched();
  // Gives back the upper halves of `block`, of order `from`, until it has order `to`; they go to the head of `type`'s
  // lists.
  void Expand(FrameIndex block, Order from, Order to, Migratetype type);

  FrameIndex RemoveSmallest(Order order, Migratetype type);
  FrameIndex Claim(Order order, Migratetype type, Fragmentation fragmentation);
  FrameIndex ClaimFrom(Order found, Order order, Migratetype type, Migratetype fallback);
  FrameIndex Steal(Order order, Migratetype type);
  void MoveFreePages(FrameIndex block, Migratetype type);
  bool WorthClaiming(FrameIndex block, Migratetype type);
  bool NextMergeIsLikely(FrameIndex block, Order order) const;
  void SetBlockTypes(FrameIndex block, Order order, Migratetype type);

  FrameTable* table_;
  std::array<std::array<FrameList, kMigratetypes>, kOrders> lists_;
  // Bit `order` of element `type`: that list is not empty. Untouched blocks count as movable ones of kMaxOrder.
  std::array<uint16_t, kMigratetypes> nonempty_ = {};
  std::deque<FrameRange> untouched_;
  uint64_t untouched_blocks_ = 0;
  FrameCount free_;
  FrameCount managed_;
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_ZONE_H_
