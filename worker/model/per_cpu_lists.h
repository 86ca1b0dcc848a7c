#ifndef DMFRAG_WORKER_MODEL_PER_CPU_LISTS_H_
#define DMFRAG_WORKER_MODEL_PER_CPU_LISTS_H_

#include <array>
#include <cstdint>

#include "absl/status/status.h"
#include "worker/model/frame_list.h"
#include "worker/model/frame_table.h"
#include "worker/model/migratetype.h"
#include "worker/model/units.h"
#include "worker/model/zone.h"

namespace dmfrag::model {

// The per-CPU page lists of a zone: blocks of orders 0 to 3 wait here, last freed first out, and move to and from the
// buddy lists in batches. They are why a split's page table tends to be the neighbour of the page that caused the
// split.
//
// Source: mm/page_alloc.c rmqueue_bulk, free_pcppages_bulk, nr_pcp_free, zone_batchsize (domain 5.4).
// Simplifications: one processor does all the work; `high` stays at its minimum; no list for transparent huge pages.
// Thread-compatible. Constant time but for the batches.
class PerCpuLists {
 public:
  static constexpr Order kMaxListOrder{3};  // PAGE_ALLOC_COSTLY_ORDER

  // Lists for a zone of `managed` frames whose low watermark is `low`, shared by `cpus` processors. Borrows both
  // pointers.
  PerCpuLists(FrameTable* table, Zone* zone, FrameCount managed, FrameCount low, uint32_t cpus);

  // A block, refilled from the zone if there is none; its record's state becomes kNone. kNoFrameIndex: the zone has
  // none. REQUIRES: order <= kMaxListOrder.
  FrameIndex Remove(Order order, Migratetype type, Zone::Fragmentation fragmentation);

  // Takes a block back; passes a batch on to the zone if the lists are full. REQUIRES: order <= kMaxListOrder.
  void Insert(FrameIndex block, Order order);

  // Gives every block to the zone (drain_all_pages).
  void Drain();

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
  void Refill(Order order, Migratetype type, Zone::Fragmentation fragmentation);
  void FreeToZone(uint64_t frames, size_t first_list);

  FrameTable* table_;
  Zone* zone_;
  uint64_t batch_;
  uint64_t high_;
  uint64_t count_ = 0;       // frames on all lists
  uint64_t free_count_ = 0;  // frames freed since the last allocations; makes a run of frees pass on more at once
  std::array<FrameList, kLists> lists_;
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_PER_CPU_LISTS_H_
