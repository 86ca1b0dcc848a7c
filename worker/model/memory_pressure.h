#ifndef DMFRAG_WORKER_MODEL_MEMORY_PRESSURE_H_
#define DMFRAG_WORKER_MODEL_MEMORY_PRESSURE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "worker/model/compaction.h"
#include "worker/model/compaction_deferral.h"
#include "worker/model/machine.h"
#include "worker/model/migratetype.h"
#include "worker/model/page_allocator.h"
#include "worker/model/units.h"

namespace dmfrag::model {

// Those who hold memory, and what they can do when it runs short.
class PageHolders : public MovableFrames {
 public:
  // Frees up to `at_most` clean pages of the page cache, those that came in first first; returns how many
  // (shrink_inactive_list). Must not allocate.
  virtual FrameCount DropPageCache(FrameCount at_most) = 0;
  // Frees up to `at_most` idle pages of caches; returns how many (shrink_slab).
  virtual FrameCount ShrinkCaches(FrameCount at_most) = 0;
};

// What the kernel does when memory runs short, for allocations with GFP_KERNEL: direct compaction, direct reclaim,
// draining of per-CPU lists, kswapd and kcompactd.
//
// Source (6.12): mm/page_alloc.c __alloc_pages_slowpath, __alloc_pages_direct_compact, __alloc_pages_direct_reclaim;
// mm/vmscan.c do_try_to_free_pages, should_continue_reclaim, compaction_ready, balance_pgdat, pgdat_balanced;
// mm/compaction.c try_to_compact_pages, compaction_suitable, kcompactd_do_work.
// Simplifications: the page cache alone is reclaimed, in the order it came in, all of it clean and never touched again;
// there is no swap, so that anonymous pages stay; caches are asked when the page cache has nothing to give, instead of
// in proportion to it; nobody is killed; one kswapd serves all nodes, and is content with one zone of any; what is
// reclaimed may lie in ZONE_MOVABLE though the request cannot use it (reclaim_idx). kswapd and
// kcompactd work when they are told to, between two requests, until they are done. Events go to the machine's account.
// Deterministic; thread-compatible. No memory of the host is allocated.
class MemoryPressure final : public SlowPath {
 public:
  // Becomes the slow path of the machine's allocator for as long as it lives. Borrows both.
  MemoryPressure(Machine* machine, PageHolders* holders);
  ~MemoryPressure() override;
  MemoryPressure(const MemoryPressure&) = delete;
  MemoryPressure& operator=(const MemoryPressure&) = delete;

  // Wakes kswapd, and goes to some length for a block. nullopt: the kernel would return NULL, or look for a process to
  // kill. An allocation that reclaim itself makes gets what there is (PF_MEMALLOC, but for its deeper reserves).
  std::optional<FrameNumber> AllocateSlowly(uint32_t node, Order order, Migratetype type, uint32_t cpu) override;

  // An allocation met the low watermark, or found no block, since RunKswapd was called.
  bool IsKswapdWoken() const { return woken_.has_value(); }
  // Reclaims until a zone is above its high watermark, then compacts for the order that was asked for.
  // REQUIRES: IsKswapdWoken(), and no allocation under way.
  void RunKswapd(uint32_t cpu);

 private:
  struct ZoneCompaction {
    Compaction compaction;
    CompactionDeferral deferral;
  };
  struct Request {
    uint32_t node;
    Order order;
    Migratetype type;
    uint32_t cpu;
  };
  enum class Effort { kAsync, kSyncLight };

  std::optional<FrameNumber> AllocateDownToMin(const Request& request) {
    return allocator_->AllocateDownToMin(request.node, request.order, request.type, request.cpu);
  }
  std::optional<FrameNumber> MakeRoom(const Request& request);
  std::optional<FrameNumber> CompactAndAllocate(const Request& request, Effort effort);
  bool CompactZone(size_t zone, Order order, uint32_t cpu);
  FrameCount DirectReclaim(Order order, Migratetype type);
  FrameCount DropPageCache();
  void RunKcompactd(Order order, Migratetype type, uint32_t cpu);
  // __zone_watermark_ok with the zone's mark, whichever of the three it is. Never of a zone that `type` may not use, as
  // below.
  bool IsAbove(size_t zone, FrameCount PageAllocator::ZoneInfo::*mark, Order order, Migratetype type) const;
  bool IsBalanced(Order order, Migratetype type) const;
  // Whether the zone has the free pages that compaction for `order` needs, above that mark.
  bool HasRoomToCompact(size_t zone, FrameCount PageAllocator::ZoneInfo::*mark, Order order, Migratetype type) const;
  bool SuitsCompaction(size_t zone, Order order, Migratetype type) const;

  Machine* machine_;
  PageAllocator* allocator_;
  PageHolders* holders_;
  std::vector<ZoneCompaction> zones_;  // by zone of the allocator
  // Why kswapd was woken: for at least this order, and for zones that this type may use.
  struct Wake {
    Order order;
    Migratetype type;
  };
  std::optional<Wake> woken_;
  bool at_work_ = false;  // it reclaims or compacts for an allocation
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_MEMORY_PRESSURE_H_
