#include "worker/model/machine.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::model {
namespace {

constexpr uint32_t kMaxCpus = 4096;
constexpr EntryFlags kPresentWritable(EntryFlags::kPresent | EntryFlags::kWritable);

absl::Status CheckCpus(uint32_t cpus) {
  if (cpus >= 1 && cpus <= kMaxCpus) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("machine with ", cpus, " processors: give 1 to ", kMaxCpus));
}

// Added memory needs struct pages, 64 bytes each: a 2M page for a section, taken from the memory that was there
// (arch/x86/mm/init_64.c vmemmap_populate; memmap_on_memory is off by default). They stay. Page tables of the direct
// map and of the vmemmap, a few pages, are left out.
absl::Status AllocateStructPages(const MachineConfig& config, uint32_t node, PageAllocator& allocator) {
  for (uint64_t i = 0; i < config.hotplugged.raw(); i += MovableMemory::kSection.raw()) {
    if (allocator.AllocateOnNode(node, kPageblockOrder, Migratetype::kUnmovable, /*cpu=*/0).has_value()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("machine to which ", config.hotplugged.in_kib() / 1024,
                     " MiB are added: its own memory has no room for their struct pages, 2 MiB for each 128 MiB; add "
                     "less, or give the machine more at boot"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Machine>> Machine::Create(const MachineConfig& config) {
  RETURN_IF_ERROR(CheckCpus(config.cpus));
  ASSIGN_OR_RETURN(const NumaTopology topology, NumaTopology::Even(config.memory, config.numa_nodes, config.cpus));
  ASSIGN_OR_RETURN(const MovableMemory movable,
                   MovableMemory::Of(config.memory, topology, config.movable_per_mille, config.hotplugged));
  auto allocator =
      std::make_unique<PageAllocator>(config.memory, topology, AllocatorRules::Of(config.allocator_release), movable);
  DirectMap map = BootMap(config);
  const DirectMapCounters counters = DirectMapCounters::Of(map);
  auto tables = MakeTableSource(config.table_source, config.memory, allocator.get());
  RETURN_IF_ERROR(AllocateStructPages(config, topology.nodes() - 1, *allocator));
  return std::unique_ptr<Machine>(
      new Machine(config, std::move(allocator), std::move(tables), std::move(map), counters));
}

DirectMap Machine::BootMap(const MachineConfig& config) {
  DirectMap map = DirectMap::Boot(config.memory, config.mapping, EntryFlags::PageKernel());
  if (config.hotplugged.raw() > 0) {
    map.AddMemory(MovableMemory::AddedTo(config.memory, config.hotplugged), config.mapping, EntryFlags::PageKernel());
  }
  return map;
}

absl::StatusOr<std::unique_ptr<Machine>> Machine::Start(const MachineConfig& config, MachineStart start) {
  RETURN_IF_ERROR(CheckCpus(config.cpus));
  ASSIGN_OR_RETURN(std::unique_ptr<PageAllocator> allocator,
                   PageAllocator::FromSnapshot(start.allocator, AllocatorRules::Of(config.allocator_release)));
  if (const size_t cpus = start.allocator.zones.front().per_cpu.size(); cpus != config.cpus) {
    return absl::InvalidArgumentError(
        absl::StrCat("machine with ", config.cpus, " processors: its start has the lists of ", cpus));
  }
  auto tables = start.free_tables.has_value()
                    ? RestoreTableSource(config.table_source, *std::move(start.free_tables), allocator.get())
                    : MakeTableSource(config.table_source, config.memory, allocator.get());
  return std::unique_ptr<Machine>(
      new Machine(config, std::move(allocator), std::move(tables), std::move(start.map), start.counters));
}

Machine::Machine(const MachineConfig& config, std::unique_ptr<PageAllocator> allocator,
                 std::unique_ptr<TablePageSource> tables, DirectMap map, const DirectMapCounters& counters)
    : cpa_release_(config.cpa_release),
      allocator_(std::move(allocator)),
      direct_map_(std::move(map)),
      counters_(counters),
      flushes_(config.cpus),
      tables_(std::move(tables)),
      changer_(&direct_map_, &counters_, tables_.get(), flushes_,
               CpaRules::Of(config.cpa_release, config.restore_global, config.restore_dirty)) {}

CpaOutcome Machine::SetDirectMapInvalidNoflush(FrameNumber first, FrameCount pages) {
  // From 6.6 on DIRTY goes too (recorded on 6.1, 6.12, 7.3).
  const EntryFlags dirty(cpa_release_ >= KernelRelease::k6_12 ? EntryFlags::kDirty : 0);
  return Change({.range = {first, first + pages}, .clear = kPresentWritable.With(dirty), .flush = false});
}

CpaOutcome Machine::SetDirectMapDefaultNoflush(FrameNumber first, FrameCount pages) {
  return Change({.range = {first, first + pages}, .set = kPresentWritable, .flush = false});
}

CpaOutcome Machine::SetMemory4K(FrameRange range) {
  const bool marks = cpa_release_ >= KernelRelease::k6_16;
  return Change({.range = range, .set = EntryFlags(marks ? EntryFlags::kKernel4K : 0), .force_4k = true});
}

CpaOutcome Machine::ClearKernel4K(FrameRange range) {
  return Change({.range = range, .clear = EntryFlags(EntryFlags::kKernel4K), .flush = false});
}

VirtualRange Machine::Vmap(std::span<const FrameNumber> frames) {
  const VirtualRange area = vmalloc_space_.Allocate(FrameCount(frames.size()), kFramesPer4K);
  VirtualPage page = area.first;
  for (const FrameNumber frame : frames) {
    vmalloc_.Map4K(page, frame, EntryFlags::PageKernel());
    page = page + kFramesPer4K;
  }
  return area;
}

VirtualRange Machine::VmapBlocks(std::span<const FrameNumber> frames) {
  const VirtualRange area = vmalloc_space_.Allocate(FrameCount(frames.size()), kFramesPer2M);
  for (uint64_t i = 0; i < frames.size(); i += kFramesPer2M.raw()) {
    vmalloc_.Map2M(area.first + FrameCount(i), frames[i], EntryFlags::PageKernel());
  }
  return area;
}

void Machine::Vunmap(VirtualRange area) {
  vmalloc_.Unmap(area);
  vmalloc_space_.Free(area);
}

absl::Status Machine::CheckInvariants() const {
  if (absl::Status status = allocator_->CheckInvariants(); !status.ok()) return status;
  return direct_map_.CheckInvariants();
}

}  // namespace dmfrag::model
