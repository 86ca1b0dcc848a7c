#ifndef DMFRAG_WORKER_MODEL_PER_CPU_LISTS_H_
#define DMFRAG_WORKER_MODEL_PER_CPU_LISTS_H_

#include <array>
#include <cstdint>

#include "absl/status/status.h"
#include "worker/model/allocator_rules.h"
#include "worker/model/allocator_snapshot.h"
#include "worker/model/frame_list.h"
#include "worker/model/frame_table.h"
#include "worker/model/migratetype.h"
#include "worker/model/units.h"
#include "worker/model/zone.h"

namespace dmfrag::model {

// The page lists of one processor for one zone: blocks of orders 0 to 3 wait here, last freed first out, and move to
// and from the buddy lists in batches. They are why a split's page table tends to be the neighbour of the page that
// caused the split.
//
// Source: mm/page_alloc.c rmqueue_bulk, free_pcppages_bulk, free_unref_page_commit, nr_pcp_alloc, nr_pcp_free,
// nr_pcp_high, decay_pcp_high, zone_batchsize, zone_highsize; equal to every page handed out and to every list of the
// captures that hold them (6.1, 6.12). The cap on runs of frees is in 6.1 as Debian has it too. Simplifications: no
// reclaim, so that `high` never shrinks for it; no list for transparent huge pages.
// Thread-compatible. Constant time but for the batches.
class PerCpuLists {
 public:
  static constexpr Order kMaxListOrder{3};  // PAGE_ALLOC_COSTLY_ORDER

  // Lists for a zone of `managed` frames whose low watermark is `low`, shared by `cpus` processors. Borrows both
  // pointers.
  PerCpuLists(FrameTable* table, Zone* zone, FrameCount managed, FrameCount low, uint32_t cpus, AllocatorRules rules);

  // A block, refilled from the zone if there is none; its record's state becomes kNone. kNoFrameIndex: the zone has
  // none. REQUIRES: order <= kMaxListOrder.
  FrameIndex Remove(Order order, Migratetype type, Zone::Fragmentation fragmentation);

  // An order-0 block as Remove gives it, without ending a run of frees (alloc_pages_bulk).
  FrameIndex RemoveForBulk(Migratetype type, Zone::Fragmentation fragmentation);

  // Takes a block back; passes a batch on to the zone if the lists are full. REQUIRES: order <= kMaxListOrder.
  void Insert(FrameIndex block, Order order);

  // Gives every block to the zone (drain_all_pages).
  void Drain();

  // What the kernel's statistics work does about once a second: lets `high` sink towards its minimum, and gives up what
  // lies above it (decay_pcp_high, from 6.7 on).
  void Decay();

  // The zone's low watermark, of which each of `cpus` processors has a share, is now another (zone_pcp_update).
  void SetLowMark(FrameCount low, uint32_t cpus);

  // Instead of starting empty. REQUIRES: the blocks' sections are touched.
  void Restore(const PerCpuSnapshot& snapshot);
  PerCpuSnapshot Snapshot() const;

  // Undoes a Remove as far as that goes: the block is the next one out again.
  void PutBack(FrameIndex block, Order order, Migratetype type);
  // Takes one given block; its record's state becomes kNone. False: it is not here. Linear in the lists.
  bool Take(FrameIndex block);

  FrameCount frames() const { return FrameCount(count_); }
  uint64_t batch() const { return batch_; }
  uint64_t high() const { return high_; }

  // Walks the lists. Errors: kInternal names the place.
  absl::Status CheckInvariants() const;

 private:
  static constexpr size_t kLists = (kMaxListOrder.raw() + 1) * kMigratetypes;
  static size_t ListIndex(Order order, Migratetype type) {
    return order.raw() * kMigratetypes + static_cast<size_t>(type);
  }
  // Both are the whole of the hot path; left to itself, the compiler makes them calls, a tenth slower.
  [[gnu::always_inline]] inline FrameIndex TakeFirst(Order order, Migratetype type, Zone::Fragmentation fragmentation);
  [[gnu::always_inline]] inline void AddToList(FrameIndex block, Order order, Migratetype type, bool to_tail);
  void Refill(Order order, Migratetype type, Zone::Fragmentation fragmentation);
  uint64_t FramesToRefill(Order order);
  // Frames that may stay after a free of `order`, and how many go once there are more.
  void FreeSurplus(Order order, size_t list);
  void FreeSurplusFixed(Order order, size_t list);
  void FreeToZone(uint64_t frames, size_t first_list);

  FrameTable* table_;
  Zone* zone_;
  bool high_follows_load_;
  bool lists_follow_blocks_;
  uint64_t batch_;
  uint64_t high_min_;
  uint64_t high_max_;
  uint64_t high_;
  uint64_t high_order_run_;    // frames freed in a row, from which on a high-order free gives everything up
  uint64_t count_ = 0;         // frames on all lists
  uint64_t free_count_ = 0;    // frames freed since the last allocations; makes a run of frees pass on more at once
  unsigned alloc_factor_ = 0;  // doubles what a run of order-0 allocations takes at once
  unsigned free_factor_ = 0;   // before 6.7, instead of free_count_: doubles what a run of frees passes on
  bool last_was_high_order_ = false;  // PCPF_PREV_FREE_HIGH_ORDER
  std::array<FrameList, kLists> lists_;
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_PER_CPU_LISTS_H_
