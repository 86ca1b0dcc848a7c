#ifndef DMFRAG_WORKER_MODEL_PAGE_ALLOCATOR_H_
#define DMFRAG_WORKER_MODEL_PAGE_ALLOCATOR_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "worker/model/allocator_rules.h"
#include "worker/model/frame_table.h"
#include "worker/model/memory_map.h"
#include "worker/model/migratetype.h"
#include "worker/model/per_cpu_lists.h"
#include "worker/model/units.h"
#include "worker/model/zone.h"

namespace dmfrag::model {

// The kernel's page allocator: zones DMA, DMA32 and Normal, each with buddy lists and per-CPU lists, behind watermarks.
//
// Source: mm/page_alloc.c get_page_from_freelist, rmqueue, __free_pages, setup_per_zone_wmarks (domain 5).
// Simplifications: one node; nothing is reclaimed or compacted, so an allocation that finds no page fails; frames 0 to
// 255 are never given out, everything else is free at the start; each allocation may use every zone. Thread-compatible.
// Allocation and free take constant time, batches and claims aside, and no memory of the host but for the first touch
// of a section of 128 MiB. At most 16 TiB can be touched; beyond that allocations fail.
class PageAllocator {
 public:
  // For a machine of `cpus` processors. REQUIRES: cpus >= 1.
  PageAllocator(const MemoryMap& memory, uint32_t cpus, AllocatorRules rules);
  PageAllocator(const PageAllocator&) = delete;
  PageAllocator& operator=(const PageAllocator&) = delete;

  // First frame of a block; nullopt: no memory. REQUIRES: order <= kMaxOrder.
  std::optional<FrameNumber> Allocate(Order order, Migratetype type);

  // REQUIRES: the block was given out with this order, and is not free.
  void Free(FrameNumber block, Order order);

  // split_page: a block given out with `order` becomes blocks of order 0, freed one by one.
  void SplitAllocated(FrameNumber block, Order order);

  // Gives the blocks of the per-CPU lists to the buddy lists.
  void DrainPerCpu();

  // A second of the kernel's time has passed: per-CPU lists let go of what they no longer need (vmstat_update).
  void DecayPerCpu();

  // Mark of the pageblock that holds a frame that was given out at some time; 0 at first.
  uint8_t PageblockMark(FrameNumber frame) { return table_.block_mark(table_.IndexOf(frame)); }
  void SetPageblockMark(FrameNumber frame, uint8_t mark) { table_.block_mark(table_.IndexOf(frame)) = mark; }

  // Frames in the buddy lists of all zones (nr_free_pages); those on per-CPU lists are not among them, as in the
  // kernel.
  FrameCount free_frames() const;
  FrameCount per_cpu_frames() const;
  // Frames given out.
  FrameCount allocated_frames() const { return allocated_; }
  // Frames it manages: free, on per-CPU lists or given out.
  FrameCount managed_frames() const { return managed_; }
  // Free blocks of an order in all zones (/proc/buddyinfo).
  uint64_t FreeBlocks(Order order) const;

  // Checks that every frame is in one place exactly. Linear in touched memory. Errors: kInternal names the place.
  absl::Status CheckInvariants() const;

 private:
  struct ZoneState {
    Zone zone;
    std::unique_ptr<PerCpuLists> per_cpu;  // null: the zone has no memory
    FrameCount min_mark;                   // WMARK_MIN with lowmem_reserve of the highest zone
    FrameCount low_mark;
  };
  static constexpr size_t kZones = 3;  // DMA, DMA32, Normal
  static constexpr size_t kNormal = 2;

  static size_t ZoneOf(FrameNumber frame);
  void SetWatermarks(uint32_t cpus, AllocatorRules rules);
  std::optional<FrameNumber> AllocateFrom(ZoneState& zone, FrameCount mark, Order order, Migratetype type,
                                          Zone::Fragmentation fragmentation);

  FrameTable table_;
  std::array<ZoneState, kZones> zones_;
  FrameCount managed_;
  FrameCount allocated_;
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_PAGE_ALLOCATOR_H_
