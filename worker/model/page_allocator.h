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
#include "worker/model/coalesce_observer.h"
#include "worker/model/frame_table.h"
#include "worker/model/memory_map.h"
#include "worker/model/migratetype.h"
#include "worker/model/movable_memory.h"
#include "worker/model/numa_topology.h"
#include "worker/model/per_cpu_lists.h"
#include "worker/model/units.h"
#include "worker/model/zone.h"

namespace dmfrag::model {

// What an allocation does that finds no page above the low watermark (__alloc_pages_slowpath).
class SlowPath {
 public:
  virtual ~SlowPath() = default;
  // As PageAllocator::AllocateOnNode.
  virtual std::optional<FrameNumber> AllocateSlowly(uint32_t node, Order order, Migratetype type, uint32_t cpu) = 0;
};

// The kernel's page allocator: zones DMA, DMA32, Normal and Movable of each node, each with buddy lists and per-CPU
// lists, behind watermarks.
//
// Source: mm/page_alloc.c get_page_from_freelist, alloc_flags_nofragment, rmqueue, __free_pages, alloc_pages_bulk,
// build_zonelists, setup_per_zone_wmarks; mm/khugepaged.c set_recommended_min_free_kbytes (domain 5). Simplifications:
// reclaim and compaction are a SlowPath's, and without one an allocation that finds no page fails; unless it starts
// from a snapshot, frames 0 to 255 are never given out and everything else is free; each allocation may use every zone,
// but those of another type than kMovable not ZONE_MOVABLE, and all that are of that type may (GFP_HIGHUSER_MOVABLE).
// Processors are numbers from 0 on, and must be below the number given at the start; calls that name none are made on
// the current one. Thread-compatible. Allocation takes constant time, batches, claims and zones that are low aside, and
// a free takes time with the number of nodes; neither takes memory of the host but for the first touch of a section of
// 128 MiB. At most 16 TiB can be touched; beyond that allocations fail.
class PageAllocator {
 public:
  // For a machine of `cpus` processors and one node. REQUIRES: cpus >= 1.
  PageAllocator(const MemoryMap& memory, uint32_t cpus, AllocatorRules rules);
  // `movable`: of this memory and topology.
  PageAllocator(const MemoryMap& memory, const NumaTopology& topology, AllocatorRules rules,
                const MovableMemory& movable = {});

  // As it was when `snapshot` was taken. Frames that are neither free nor on a per-CPU list are in use, and may be
  // freed with any order. Errors: kInvalidArgument if zones, blocks or processors contradict each other; the text names
  // the place.
  static absl::StatusOr<std::unique_ptr<PageAllocator>> FromSnapshot(const AllocatorSnapshot& snapshot,
                                                                     AllocatorRules rules);

  // After FromSnapshot: names a block that is in use, as if Allocate had given it out. REQUIRES: it is no part of a
  // larger free block. False: part of it is free, was named before, or is no memory.
  bool Adopt(FrameNumber block, Order order, Migratetype type);
  // Every frame in use was given out, or is to be adopted: AllocatorSnapshot::knows_frames_in_use, for a snapshot of
  // now.
  bool KnowsFramesInUse() const;

  PageAllocator(const PageAllocator&) = delete;
  PageAllocator& operator=(const PageAllocator&) = delete;

  // The processor that calls which name none are made on (smp_processor_id), and the node they ask first, which is its
  // own unless the process has a memory policy. At first processor 0.
  void RunOn(uint32_t cpu) { RunOn(cpu, node_of_cpu_[cpu]); }
  void RunOn(uint32_t cpu, uint32_t node) {
    current_cpu_ = cpu;
    current_node_ = node;
  }
  uint32_t NodeOfCpu(uint32_t cpu) const { return node_of_cpu_[cpu]; }
  uint32_t current_node() const { return current_node_; }
  // REQUIRES: a zone holds the frame.
  uint32_t NodeOf(FrameNumber frame) const { return zones_[ZoneOf(frame)].node; }

  // First frame of a block, for processor `cpu`, of its node if there is one; nullopt: no memory.
  // REQUIRES: order <= kMaxOrder.
  std::optional<FrameNumber> Allocate(Order order, Migratetype type, uint32_t cpu) {
    return AllocateOnNode(node_of_cpu_[cpu], order, type, cpu);
  }
  std::optional<FrameNumber> Allocate(Order order, Migratetype type) {
    return AllocateOnNode(current_node_, order, type, current_cpu_);
  }
  // The same, of a given node if there is one (alloc_pages_node).
  std::optional<FrameNumber> AllocateOnNode(uint32_t node, Order order, Migratetype type, uint32_t cpu);

  // Who is asked when no zone has a page above its low watermark; null, as at first: zones give what they have down to
  // their minimum. Borrowed.
  void SetSlowPath(SlowPath* slow_path) { slow_path_ = slow_path; }
  // For a slow path: a block of a zone that stays above its minimum (get_page_from_freelist, ALLOC_WMARK_MIN).
  std::optional<FrameNumber> AllocateDownToMin(uint32_t node, Order order, Migratetype type, uint32_t cpu);

  // The lowest block of `order` within `range` that lies in the buddy lists, as itself or as part of a larger one,
  // whose other parts stay there; nullopt: there is none, or its zone would fall below its minimum. Pages of per-CPU
  // lists are not looked at. For a cache that chooses where its blocks lie; no kernel has it (the nearest is
  // alloc_contig_range). Time: see Zone::TakeLowest. REQUIRES: order <= kMaxOrder.
  std::optional<FrameNumber> TakeFreeBlockIn(FrameRange range, Order order, Migratetype type);

  // Adds up to `count` single frames to `frames`, from one zone of the processor's node, and says how many; fewer if
  // the zone runs low.
  uint64_t BulkAllocate(uint64_t count, Migratetype type, uint32_t cpu, std::vector<FrameNumber>* frames);

  // REQUIRES: the block was given out with this order, and is not free.
  void Free(FrameNumber block, Order order, uint32_t cpu);
  void Free(FrameNumber block, Order order) { Free(block, order, current_cpu_); }

  // split_page: a block given out with `order` becomes blocks of order `pieces`, freed one by one.
  // REQUIRES: pieces <= order.
  void SplitAllocated(FrameNumber block, Order order, Order pieces = Order(0));

  // The reverse: neighbours given out one by one become a block of `order` and of the first one's migratetype, to be
  // freed at once.
  // REQUIRES: `block` is aligned to `order`; its pages were given out with order 0, and none has an owner.
  void JoinAllocated(FrameNumber block, Order order);

  // Gives the blocks of the per-CPU lists to the buddy lists.
  void DrainPerCpu();
  // The same for the zone that holds a frame.
  void DrainPerCpuOfZone(FrameNumber frame);

  // Tells `observer` of free blocks of a pageblock and more that come together, from now on; null, as at first: nobody.
  // It must outlive its use, and must not allocate or free. A page that a per-CPU list keeps has not come together with
  // anything yet.
  void ObserveCoalescing(CoalesceObserver* observer);

  // A second of the kernel's time has passed: per-CPU lists let go of what they no longer need (vmstat_update).
  // Simplification: lists of other nodes' zones are not emptied after three idle seconds.
  void DecayPerCpu();

  // A write to /proc/sys/vm/min_free_kbytes: sets all watermarks, and with them the fixed limits of per-CPU lists.
  void SetMinFreeKib(uint64_t kib);

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

  // Who holds a page, in words of its holder's own. They are kept where a free page's list links are, so that they cost
  // no memory, and forgotten when the page is freed.
  struct PageOwner {
    uint32_t object;
    uint32_t page;
    friend bool operator==(const PageOwner&, const PageOwner&) = default;
  };
  // REQUIRES: the frame was given out with order 0.
  void SetOwner(FrameNumber frame, PageOwner owner);
  // The page passes to somebody who is not known, without being freed. REQUIRES: as SetOwner.
  void ClearOwner(FrameNumber frame);
  // nullopt: the frame is not in use, or nobody was named since it was given out.
  std::optional<PageOwner> OwnerOf(FrameNumber frame) const;

  struct ZoneInfo {
    uint32_t node = 0;
    FrameRange frames;  // holes included
    FrameCount managed;
    FrameCount free;
    FrameCount min_mark;  // with lowmem_reserve, as the others, of requests that may not use ZONE_MOVABLE
    FrameCount low_mark;
    FrameCount high_mark;
    bool movable = false;        // ZONE_MOVABLE
    FrameCount movable_reserve;  // what lowmem_reserve of movable requests has on top

    FrameCount ReserveFor(Migratetype type) const {
      return type == Migratetype::kMovable ? movable_reserve : FrameCount(0);
    }
  };
  // Zones with memory, of all nodes, lowest first.
  size_t zones() const { return zones_.size(); }
  // The zone is for requests of `type` too. REQUIRES: zone < zones().
  bool MayUse(size_t zone, Migratetype type) const {
    return zones_[zone].kind != kMovableZone || type == Migratetype::kMovable;
  }
  // The frame lies in ZONE_MOVABLE.
  bool InMovableZone(FrameNumber frame) const {
    return has_movable_zone_ && zones_[ZoneOf(frame)].kind == kMovableZone;
  }
  // REQUIRES: zone < zones().
  ZoneInfo InfoOf(size_t zone) const;

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
  // The zone has a free block of this order or a larger one. REQUIRES: zone < zones().
  bool HasFreeBlock(size_t zone, Order order) const { return zones_[zone].zone.HasOrderOrMore(order); }

  // Checks that every frame is in one place exactly. Linear in touched memory. Errors: kInternal names the place.
  absl::Status CheckInvariants() const;

 private:
  struct ZoneState {
    Zone zone;
    uint32_t node = 0;
    size_t kind = 0;
    FrameRange bounds;
    std::vector<PerCpuLists> per_cpu = {};  // by processor
    // Of requests that may not use ZONE_MOVABLE, and of those that may: WMARK_MIN and WMARK_LOW with lowmem_reserve.
    std::array<FrameCount, 2> min_marks = {};
    std::array<FrameCount, 2> low_marks = {};
    FrameCount high_mark = {};  // of the former
    FrameCount reserve = {};    // lowmem_reserve of the former, which the marks include
  };

  // Where a node's allocations look for memory.
  struct Zonelist {
    std::vector<ZoneState*> zones;  // its own from high to low, then other nodes', nearest first
    size_t local = 0;               // how many are its own
    bool avoids_mixing = false;     // ALLOC_NOFRAGMENT at first, as long as zones are local
  };
  static constexpr size_t kZoneKinds = 4;  // DMA, DMA32, Normal, Movable
  static constexpr size_t kDma32 = 1;
  static constexpr size_t kNormal = 2;
  static constexpr size_t kMovableZone = 3;

  // With no zones yet.
  PageAllocator(FrameNumber end, const NumaTopology& topology);

  // First frame of each kind of zone but Movable, and one past the last.
  static constexpr std::array<FrameNumber, kZoneKinds> kZoneBounds = {
      FrameNumber(0), FrameNumber(4096), FrameNumber(1 << 20), FrameNumber(MemoryMap::kMaxAddressBytes / kFrameBytes)};

  // Of a frame that is not in ZONE_MOVABLE.
  static size_t KindOf(FrameNumber frame) { return frame < kZoneBounds[1] ? 0 : frame < kZoneBounds[2] ? 1 : kNormal; }
  // Index of the zone that holds a frame.
  size_t ZoneOf(FrameNumber frame) const {
    size_t zone = zones_.size() - 1;
    while (frame < first_frames_[zone]) --zone;
    return zone;
  }
  void AddZone(uint32_t node, size_t kind, FrameRange bounds, AllocatorRules rules);
  // Once all zones are there.
  void BuildZonelists(const NumaTopology& topology);
  Zonelist ListOf(uint32_t node, const NumaTopology& topology, bool with_movable);
  const Zonelist& ZonelistOf(uint32_t node, Migratetype type) const { return zonelists_[2 * node + MarkOf(type)]; }
  // Which of a zone's marks, and of a node's lists, is for requests of `type`.
  static size_t MarkOf(Migratetype type) { return type == Migratetype::kMovable ? 1 : 0; }
  void Restore(const AllocatorSnapshot& snapshot, AllocatorRules rules);
  uint64_t MinFreeFrames() const;
  // What all zones but ZONE_MOVABLE manage.
  FrameCount ManagedLowmem() const;
  absl::Status CheckMovableCounts(FrameIndex section) const;
  absl::Status CheckMovableZone(FrameIndex section) const;
  // WMARK_MIN and WMARK_LOW without lowmem_reserve.
  struct Marks {
    FrameCount min;
    FrameCount low;
  };
  // With `min_free` frames of min_free_kbytes, of which the zone has a share.
  Marks MarksOf(const ZoneState& zone, uint64_t min_free) const;
  // Sets a zone's marks, and the reserve that goes on top.
  void SetMarks(size_t zone, Marks marks);
  void MakePerCpuLists(ZoneState& zone, FrameCount low, AllocatorRules rules);
  void SetBootWatermarks(AllocatorRules rules);
  // Processors that share a zone's memory (zone_highsize).
  uint32_t CpusSharing(const ZoneState& zone) const;
  // A block off a zone's lists, unless the zone is down to `mark`; kNoFrameIndex: none.
  static FrameIndex RemoveFrom(ZoneState& zone, FrameCount mark, Order order, Migratetype type,
                               Zone::Fragmentation fragmentation, uint32_t cpu);
  FrameNumber GiveOut(FrameIndex block, Order order, Migratetype type);

  FrameTable table_;
  FrameNumber end_;
  bool caps_movable_mark_ = true;
  bool has_movable_zone_ = false;
  bool from_snapshot_ = false;    // then records of frames in use at the start say nothing
  std::vector<ZoneState> zones_;  // with memory, ascending; never resized once there are per-CPU lists
  std::vector<FrameNumber> first_frames_;
  std::vector<Zonelist> zonelists_;  // two to a node: of requests that may not use ZONE_MOVABLE, and of those that may
  std::vector<uint32_t> node_of_cpu_;
  uint32_t current_cpu_ = 0;
  uint32_t current_node_ = 0;
  FrameCount managed_;
  FrameCount allocated_;
  SlowPath* slow_path_ = nullptr;
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_PAGE_ALLOCATOR_H_
