#ifndef DMFRAG_WORKER_MODEL_ZONE_H_
#define DMFRAG_WORKER_MODEL_ZONE_H_

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "worker/model/allocator_rules.h"
#include "worker/model/allocator_snapshot.h"
#include "worker/model/coalesce_observer.h"
#include "worker/model/frame_list.h"
#include "worker/model/frame_table.h"
#include "worker/model/migratetype.h"
#include "worker/model/units.h"

namespace dmfrag::model {

// The buddy lists of one zone: free blocks by order and migratetype, in the kernel's list order.
//
// Source: mm/page_alloc.c __rmqueue_smallest, __free_one_page; up to 6.14 __rmqueue_fallback, steal_suitable_fallback;
// from 6.15 on __rmqueue_claim, try_to_claim_block, __rmqueue_steal. See AllocatorRules for what differs.
// Simplifications: no isolation, no HIGHATOMIC or CMA; whole blocks of kMaxOrder that were never given out stay ranges
// of frames, behind every block that was ever freed, lowest first, as boot leaves them. A claim below a pageblock's
// order does not boost the watermarks (boost_watermark): the boost lasts until the run of kswapd that it starts is over
// (balance_pgdat takes it back), which without reclaim is at once. What that run leaves, a wake of kcompactd for a
// whole pageblock, is up to who has compaction. Thread-compatible. Operations take constant time per order; claiming
// part of a pageblock takes up to 512 steps.
class Zone {
 public:
  // How far an allocation may go for the sake of not mixing types: ALLOC_NOFRAGMENT claims whole pageblocks alone.
  enum class Fragmentation { kAllowed, kAvoided };

  // Borrows `table`, which must outlive the zone.
  Zone(FrameTable* table, AllocatorRules rules) : table_(table), rules_(rules) {}

  // Gives memory to the zone, once, at boot: [range.first, range.end), in ascending order of calls.
  // REQUIRES: boundaries of zones are multiples of a kMaxOrder block.
  void AddBootMemory(FrameRange range);

  // Instead of AddBootMemory: `managed` frames of which these blocks are free, in this order. Frames in no block are in
  // use by nobody known; with `unknown_frames`, those of a movable pageblock count as movable. REQUIRES: the blocks'
  // sections are touched.
  void Restore(FrameCount managed, const std::vector<BlockList>& free, bool unknown_frames);
  bool unknown_frames() const { return unknown_frames_; }

  // Where a run of removals is: from 6.15 on, once a block was stolen, the rest of the run steals at once.
  enum class Run { kFromLists, kStealing };

  // Takes a block out of the free lists; its record's state becomes kNone. kNoFrameIndex: no block of that order is to
  // be had.
  FrameIndex Remove(Order order, Migratetype type, Fragmentation fragmentation) {
    Run run = Run::kFromLists;
    return RemoveNext(order, type, fragmentation, &run);
  }
  // The next of a run that takes several blocks alike (rmqueue_bulk). REQUIRES: `run` is kFromLists before the first.
  FrameIndex RemoveNext(Order order, Migratetype type, Fragmentation fragmentation, Run* run);

  // Puts a block into the free lists of its pageblock's type, with its buddies as far as they are free.
  void Insert(FrameIndex block, Order order) { Insert(block, order, table_->block_type(block)); }
  // The same, of `type`.
  void Insert(FrameIndex block, Order order, Migratetype type);

  // Tells `observer` of blocks of a pageblock and more that Insert makes, from now on; null: nobody. It must outlive
  // its use, and must not change the zone.
  void ObserveCoalescing(CoalesceObserver* observer) { observer_ = observer; }

  // Takes one given block, which may be part of a larger free one, whose other parts stay; its record's state becomes
  // kNone. False: it is not free as a whole.
  bool Take(FrameIndex block, Order order);

  // Takes the lowest block of `order` within `range` that is free, or part of a larger free block whose other parts
  // stay; memory that was never given out counts. Whole pageblocks get `type`, as a claim gives it. kNoFrameIndex:
  // there is none. Takes time with the free blocks of that order or more, or with `range` in blocks of that order,
  // sections that were never touched aside, whichever is less.
  FrameIndex TakeLowest(FrameRange range, Order order, Migratetype type);

  // All lists that are not empty, by order, then type; linear in free blocks.
  std::vector<BlockList> Lists() const;

  // Frames in the free lists (nr_free_pages). Per-CPU lists are elsewhere.
  FrameCount free_frames() const { return free_; }
  // Frames it was given at the start, in use or free.
  FrameCount managed_frames() const { return managed_; }
  // There is a free block of this order or a larger one.
  bool HasOrderOrMore(Order order) const {
    unsigned orders = 0;
    for (uint16_t of_type : nonempty_) orders |= of_type;
    return orders >> order.raw() != 0;
  }
  // Free blocks of one order and type, untouched ones included.
  uint64_t FreeBlocks(Order order, Migratetype type) const;

  // Work under the zone's lock since the start: times it was taken, and blocks put on a free list or taken off one.
  struct LockedWork {
    uint64_t locks = 0;
    uint64_t list_blocks = 0;
  };
  const LockedWork& locked_work() const { return locked_work_; }
  // Whoever calls Remove or Insert says once that it takes the lock for all of a batch.
  void CountLock() { ++locked_work_.locks; }

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
  // For TakeLowest: the first frame of that block. Among free blocks by lists, by records, and among untouched memory.
  std::optional<FrameNumber> LowestListed(FrameRange range, Order order) const;
  std::optional<FrameNumber> LowestRecorded(FrameRange range, Order order) const;
  std::optional<FrameNumber> LowestUntouched(FrameRange range, Order order) const;
  // Puts the untouched block of kMaxOrder at `first` on its list.
  void ListUntouched(FrameNumber first);
  // Gives back the upper halves of `block`, of order `from`, until it has order `to`; they go to the head of `type`'s
  // lists.
  void Expand(FrameIndex block, Order from, Order to, Migratetype type);

  FrameIndex RemoveSmallest(Order order, Migratetype type);
  // A block of `order` of another type's lists, by the rules from 6.15 on: a claim of what is worth it, or else one
  // block.
  FrameIndex Claim(Order order, Migratetype type, Fragmentation fragmentation);
  FrameIndex Steal(Order order, Migratetype type);
  // The same by the rules up to 6.14: the largest block that is found decides.
  FrameIndex FallBack(Order order, Migratetype type, Fragmentation fragmentation);
  std::optional<Migratetype> FallbackWith(Order found, Migratetype type) const;
  FrameIndex ClaimOrTakeOne(Order found, Order order, Migratetype type, Migratetype fallback);
  FrameIndex ClaimWhole(Order found, Order order, Migratetype type, Migratetype fallback);
  // Takes ownership of a pageblock that holds a free block smaller than itself; false: it is not worth it.
  bool ClaimPart(FrameIndex block, Migratetype type);
  FrameIndex TakeOne(Order found, Order order, Migratetype type, Migratetype fallback);
  void MoveFreePages(FrameIndex block, Migratetype type);
  bool WorthClaiming(FrameIndex block, Migratetype type) const;
  bool NextMergeIsLikely(FrameIndex block, Order order) const;
  void SetBlockTypes(FrameIndex block, Order order, Migratetype type);

  FrameTable* table_;
  CoalesceObserver* observer_ = nullptr;
  AllocatorRules rules_;
  std::array<std::array<FrameList, kMigratetypes>, kOrders> lists_;
  // Bit `order` of element `type`: that list is not empty. Untouched blocks count as movable ones of kMaxOrder.
  std::array<uint16_t, kMigratetypes> nonempty_ = {};
  std::deque<FrameRange> untouched_;
  uint64_t untouched_blocks_ = 0;
  FrameCount free_;
  FrameCount managed_;
  LockedWork locked_work_;
  bool unknown_frames_ = false;  // frames in use at the start are in no block
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_ZONE_H_
