#ifndef DMFRAG_WORKER_MODEL_MACHINE_H_
#define DMFRAG_WORKER_MODEL_MACHINE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "worker/model/allocator_snapshot.h"
#include "worker/model/attribute_changer.h"
#include "worker/model/attribute_request.h"
#include "worker/model/collapse_obstacle.h"
#include "worker/model/cpa_observer.h"
#include "worker/model/direct_map.h"
#include "worker/model/direct_map_counters.h"
#include "worker/model/event_counters.h"
#include "worker/model/kernel_release.h"
#include "worker/model/memory_map.h"
#include "worker/model/movable_memory.h"
#include "worker/model/numa_topology.h"
#include "worker/model/page_allocator.h"
#include "worker/model/table_page_source.h"
#include "worker/model/table_sources.h"
#include "worker/model/tlb_flushes.h"
#include "worker/model/units.h"
#include "worker/model/virtual_map.h"
#include "worker/model/vmalloc_space.h"

namespace dmfrag::model {

struct MachineConfig {
  MemoryMap memory;
  BootMappingRules mapping;
  uint32_t cpus = 4;
  uint32_t numa_nodes = 1;  // see NumaTopology::Even
  KernelRelease cpa_release = KernelRelease::k6_12;
  KernelRelease allocator_release = KernelRelease::k6_12;
  TableSourceKind table_source = TableSourceKind::kBuddy;
  // ZONE_MOVABLE, and memory that is added before anything else happens; see MovableMemory.
  uint32_t movable_per_mille = 0;
  FrameCount hotplugged = {};
  // What-ifs of CpaRules. From 6.6 on (recorded on 6.12) an entry that was not present lacks DIRTY as well as GLOBAL.
  bool restore_global = false;
  bool restore_dirty = false;
};

// A state that a machine takes up instead of booting. Frames that `allocator` does not have free are in use, and stay
// so unless they are freed.
struct MachineStart {
  AllocatorSnapshot allocator;
  DirectMap map;
  DirectMapCounters counters;  // as the kernel printed them then
  // Pages that the table source has; absent: it takes what it takes at a boot.
  std::optional<std::vector<FrameNumber>> free_tables = std::nullopt;
};

// A machine that runs: page allocator, direct map and CPA joined, with the kernel's calls on top. Events are counted in
// the account that is set.
// Thread-compatible; not movable, since its parts refer to each other.
class Machine {
 public:
  // Errors: kInvalidArgument if `cpus` is not in 1..4096, or as of NumaTopology::Even and MovableMemory::Of, or if the
  // machine has no room for the struct pages of memory that is added.
  static absl::StatusOr<std::unique_ptr<Machine>> Create(const MachineConfig& config);
  // With `start` instead of a boot; `config.mapping` plays no part then. Errors: the same; kInvalidArgument if `start`
  // has the lists of another number of processors, or contradicts itself (PageAllocator::FromSnapshot).
  static absl::StatusOr<std::unique_ptr<Machine>> Start(const MachineConfig& config, MachineStart start);
  // The direct map that Create begins with.
  static DirectMap BootMap(const MachineConfig& config);
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  PageAllocator& allocator() { return *allocator_; }
  const PageAllocator& allocator() const { return *allocator_; }
  const DirectMap& direct_map() const { return direct_map_; }
  const DirectMapCounters& direct_map_counters() const { return counters_; }
  KernelRelease cpa_release() const { return cpa_release_; }
  // Pages that the source of page tables keeps for itself.
  std::vector<FrameNumber> FreeTables() const { return tables_->FreeTables(); }

  // Who is charged for events from now on. `account` must outlive its use; never null.
  void ChargeTo(EventCounters* account) { account_ = account; }
  EventCounters& account() { return *account_; }
  const EventCounters& account() const { return *account_; }

  // Tells `observer` what CPA does from now on; null: nobody. It must outlive its use.
  void Observe(CpaObserver* observer) { changer_.Observe(observer); }

  // set_direct_map_invalid_noflush and set_direct_map_default_noflush: take `pages` frames out of the direct map, or
  // put them back writable. They do not flush, splits aside. Source: arch/x86/mm/pat/set_memory.c.
  CpaOutcome SetDirectMapInvalidNoflush(FrameNumber first, FrameCount pages);
  CpaOutcome SetDirectMapDefaultNoflush(FrameNumber first, FrameCount pages);

  // set_memory_4k: 4K entries over the range. From 6.15 on it also sets the software bit "4K on purpose".
  CpaOutcome SetMemory4K(FrameRange range);

  // What-if: takes the mark "4K on purpose" off again, which otherwise keeps a block from a collapse for ever, and
  // which no kernel takes off. For the owner of whole blocks, before Collapse; one request without a flush, since the
  // hardware ignores the bit.
  CpaOutcome ClearKernel4K(FrameRange range);

  // What-if, as AttributeChanger::Collapse: puts the 2M blocks that `range` touches together where all entries are
  // equal, with one flush of all processors if there were any. Returns how many 2M entries it made.
  uint64_t Collapse(FrameRange range) { return changer_.Collapse(range, *account_); }
  // What stands against a collapse of the 2M block around `frame`.
  CollapseObstacle ObstacleToCollapse(FrameNumber frame) const { return model::ObstacleToCollapse(direct_map_, frame); }
  bool CanCollapse(FrameNumber frame) const { return ObstacleToCollapse(frame) == CollapseObstacle::kNone; }

  // Page tables of splits come from `source` from now on; null, as at first: from the machine's own. Those of collapses
  // go to the source that is set then, whichever gave them out: whoever sets one must accept tables that it did not
  // give, to be freed to the page allocator, and must have its own back before it goes, or leave them in use.
  // FreeTables stays the machine's own source's. Borrowed.
  void SetTableSource(TablePageSource* source) { changer_.SetTableSource(source == nullptr ? tables_.get() : source); }

  // One request of change_page_attr, on the direct map or on vmalloc addresses.
  CpaOutcome Change(const AttributeRequest& request) { return changer_.Change(request, *account_); }
  CpaOutcome Change(const VirtualAttributeRequest& request) { return changer_.Change(vmalloc_, request, *account_); }

  // Maps frames in an area of vmalloc's by 4K entries, readable and writable, in their order. REQUIRES: not empty.
  VirtualRange Vmap(std::span<const FrameNumber> frames);
  // The same by 2M entries. REQUIRES: `frames` are whole blocks of 2M, one after the other.
  VirtualRange VmapBlocks(std::span<const FrameNumber> frames);
  // Unmaps an area that one of these two made, and gives up its addresses. Permissions of the direct map stay.
  void Vunmap(VirtualRange area);
  const VirtualMap& vmalloc() const { return vmalloc_; }

  // flush_tlb_kernel_range over `pages` of kernel addresses.
  void FlushTlbKernelRange(FrameCount pages) { flushes_.FlushRange(pages, *account_); }

  // One kernel address is flushed on the calling processor alone (flush_tlb_one_kernel).
  void FlushLocal() { TlbFlushes::FlushLocal(*account_); }
  // The processor maps `pages` that the direct map does not show, one after the other, to zero or to copy them, and
  // flushes each mapping on itself alone: as kmap_local does with highmem (mm/highmem.c kunmap_local_indexed), and as
  // the proposals of temporary mappings for pages that are not present would, such as mermap (domain 4.8).
  void MapTemporarily(FrameCount pages) {
    account_->temporary_mappings += static_cast<int64_t>(pages.raw());
    account_->local_flushes += static_cast<int64_t>(pages.raw());
  }

  // Invariants of all parts. Errors: kInternal names the first that does not hold.
  absl::Status CheckInvariants() const;

 private:
  Machine(const MachineConfig& config, std::unique_ptr<PageAllocator> allocator,
          std::unique_ptr<TablePageSource> tables, DirectMap map, const DirectMapCounters& counters);

  KernelRelease cpa_release_;
  std::unique_ptr<PageAllocator> allocator_;
  DirectMap direct_map_;
  DirectMapCounters counters_;
  TlbFlushes flushes_;
  std::unique_ptr<TablePageSource> tables_;
  AttributeChanger changer_;
  VirtualMap vmalloc_{VirtualMap::Kind::kVmalloc};
  VmallocSpace vmalloc_space_;
  EventCounters unowned_;
  EventCounters* account_ = &unowned_;
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_MACHINE_H_
