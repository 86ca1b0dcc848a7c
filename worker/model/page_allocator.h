#ifndef DMFRAG_WORKER_MODEL_PAGE_ALLOCATOR_H_
#define DMFRAG_WORKER_MODEL_PAGE_ALLOCATOR_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "worker/model/allocator_rules.h"
#include "worker/model/allocator_snapshot.h"
#include "worker/model/frame_table.h"
#include "worker/model/memory_map.h"
#include "worker/model/migratetype.h"
#include "worker/model/per_cpu_lists.h"
#include "worker/model/units.h"
#include "worker/model/zone.h"

namespace dmfrag::model {

// The kernel's page allocator: zones DMA, DMA32 and Normal, each with buddy lists and per-CPU lists, behind watermarks.
//
// Source: mm/page_alloc.c get_page_from_freelist, rmqueue, __free_pages, alloc_pages_bulk, setup_per_zone_wmarks;
// mm/khugepaged.c set_recommended_min_free_kbytes (domain 5). Simplifications: one node; nothing is reclaimed or
// compacted, so an allocation that finds no page fails; unless it starts from a snapshot, frames 0 to 255 are never
// given out and everything else is free; each allocation may use every zone. Processors are numbers from 0 on, and must
// be below the number given at the start. Thread-compatible. Allocation and free take constant time, batches and claims
// aside, and no memory of the host but for the first touch of a section of 128 MiB. At most 16 TiB can be touched;
// beyond that allocations fail.
class PageAllocator {
 public:
  // For a machine of `cpus` processors. REQUIRES: cpus >= 1.
  PageAllocator(const MemoryMap& memory, uint32_t cpus, AllocatorRules rules);

  // As it was when `snapshot` was taken. Frames that are neither free nor on a per-CPU list are in use, and may be
  // freed with any order. Errors: kInvalidArgument if zones, blocks or processors contradict each other; the text names
  // the place.
  static absl::StatusOr<std::unique_ptr<PageAllocator>> FromSnapshot(const AllocatorSnapshot& snapshot,
                                                                     AllocatorRules rules);

  PageAllocator(const PageAllocator&) = delete;
  PageAllocator& operator=(const PageAllocator&) = delete;

  // First frame of a block, for processor `cpu`; nullopt: no memory. REQUIRES: order <= kMaxOrder.
  std::optional<FrameNumber> Allocate(Order order, Migratetype type, uint32_t cpu = 0);

  // Adds up to `count` single frames to `frames`, from one zone, and says how many; fewer if the zone runs low.
  uint64_t BulkAllocate(uint64_t count, Migratetype type, uint32_t cpu, std::vector<FrameNumber>* frames);

  // REQUIRES: the block was given out with this order, and is not free.
  void Free(FrameNumber block, Order order, uint32_t cpu = 0);

  // split_page: a block given out with `order` becomes blocks of order `pieces`, freed one by one.
  // REQUIRES: pieces <= order.
  void SplitAllocated(FrameNumber block, Order order, Order pieces = Order(0));

  // Gives the blocks of the per-CPU lists to the buddy lists.
  void DrainPerCpu();
  // The same for the zone that holds a frame.
  void DrainPerCpuOfZone(FrameNumber frame);

  // A second of the kernel's time has passed: per-CPU lists let go of what they no longer need (vmstat_update).
  void DecayPerCpu();

  // The state to compare with a kernel's, or to start another allocator from. Linear in free blocks and touched memory.
  AllocatorSnapshot Snapshot() const;

  // For a replay that follows a kernel's choices. Undoes an Allocate of this processor, as far as that goes: the block
  // is the next one out again.
  void PutBack(FrameNumber block, Order order, uint32_t cpu = 0);
  // Gives out this very block, wherever it is free; false: some of it is not. Linear in per-CPU lists.
  bool Take(FrameNumber block, Order order, Migratetype type);
  // The block a frame is part of. kNone: the frame is in use since before the start, or no memory.
  struct Block {
    FrameState state = FrameState::kNone;
    FrameNumber first;
    Order order;
  };
  Block BlockOf(FrameNumber frame) const;
  // Whether this is a frame that a zone may hold.
  bool Manages(FrameNumber frame) const { return frame < end_ && table_.IsTouched(frame); }

  // Migratetype of the pageblock that holds a frame. REQUIRES: Manages(frame).
  Migratetype PageblockType(FrameNumber frame) const { return table_.block_type(table_.IndexOf(frame)); }

  // Mark of the pageblock that holds a frame that was given out at some time; 0 at first.
  uint8_t PageblockMark(FrameNumber frame) { return table_.block_mark(table_.IndexOf(frame)); }
  void SetPageblockMark(FrameNumber frame, uint8_t mark) { table_.block_mark(table_.IndexOf(frame)) = mark; }

  // Frames in the buddy lists of all zones (nr_free_pages); those on per-CPU lists are not among them, as in the
  // kernel.
  FrameCount free_frames() const;
  FrameCount per_cpu_frames() const;
  // Frames given out, or in use since before the start.
  FrameCount allocated_frames() const { return allocated_; }
  // Frames it manages: free, on per-CPU lists or given out.
  FrameCount managed_frames() const { return managed_; }
  // Work under the locks of all zones since the start.
  Zone::LockedWork locked_work() const;
  // Free blocks of an order in all zones (/proc/buddyinfo).
  uint64_t FreeBlocks(Order order) const;
  // The same in the zone that holds `frame`.
  uint64_t FreeBlocksInZoneOf(FrameNumber frame, Order order) const;

  // Checks that every frame is in one place exactly. Linear in touched memory. Errors: kInternal names the place.
  absl::Status CheckInvariants() const;

 private:
  struct ZoneState {
    Zone zone;
    std::vector<PerCpuLists> per_cpu;  // by processor; empty: the zone has no memory
    FrameRange bounds;                 // if it was started from a snapshot
    FrameCount min_mark;               // WMARK_MIN with lowmem_reserve of the highest zone
    FrameCount low_mark;
    FrameCount reserve;  // lowmem_reserve, which both include
  };
  static constexpr size_t kZones = 3;  // DMA, DMA32, Normal
  static constexpr size_t kNormal = 2;

  // With zones that hold nothing yet.
  PageAllocator(FrameNumber end, AllocatorRules rules);

  // First frame of each zone, and one past the last.
  static constexpr std::array<FrameNumber, kZones + 1> kZoneBounds = {
      FrameNumber(0), FrameNumber(4096), FrameNumber(1 << 20), FrameNumber(MemoryMap::kMaxAddressBytes / kFrameBytes)};

  static size_t ZoneOf(FrameNumber frame) { return frame < kZoneBounds[1] ? 0 : frame < kZoneBounds[2] ? 1 : kNormal; }
  void Restore(const AllocatorSnapshot& snapshot, uint32_t cpus, AllocatorRules rules);
  uint64_t MinFreeFrames() const;
  // Sets what follows from a zone's share of min_free_kbytes, `above` being what the zones above it manage.
  void SetWatermarks(ZoneState& zone, FrameCount min, FrameCount low, FrameCount above, uint32_t cpus,
                     AllocatorRules rules);
  void SetBootWatermarks(uint32_t cpus, AllocatorRules rules);
  std::optional<FrameNumber> AllocateFrom(ZoneState& zone, FrameCount mark, Order order, Migratetype type,
                                          Zone::Fragmentation fragmentation, uint32_t cpu);
  FrameNumber GiveOut(FrameIndex block, Order order, Migratetype type);

  FrameTable table_;
  FrameNumber end_;
  bool from_snapshot_ = false;  // then records of frames in use at the start say nothing
  std::array<ZoneState, kZones> zones_;
  FrameCount managed_;
  FrameCount allocated_;
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_PAGE_ALLOCATOR_H_
