#include "worker/model/machine.h"

#include "absl/strings/str_cat.h"

namespace dmfrag::model {
namespace {

constexpr uint32_t kMaxCpus = 4096;
constexpr EntryFlags kPresentWritable(EntryFlags::kPresent | EntryFlags::kWritable);

}  // namespace

absl::StatusOr<std::unique_ptr<Machine>> Machine::Create(const MachineConfig& config) {
  if (config.cpus < 1 || config.cpus > kMaxCpus) {
    return absl::InvalidArgumentError(absl::StrCat("machine with ", config.cpus, " processors: give 1 to ", kMaxCpus));
  }
  return std::unique_ptr<Machine>(new Machine(config));
}

Machine::Machine(const MachineConfig& config)
    : cpa_release_(config.cpa_release),
      allocator_(config.memory, config.cpus, AllocatorRules::Of(config.allocator_release)),
      direct_map_(DirectMap::Boot(config.memory, config.mapping, EntryFlags::PageKernel())),
      counters_(DirectMapCounters::Of(direct_map_)),
      flushes_(config.cpus),
      tables_(MakeTableSource(config.table_source, config.memory, &allocator_)),
      changer_(&direct_map_, &counters_, tables_.get(), flushes_, CpaRules::Of(config.cpa_release)) {}

CpaOutcome Machine::SetDirectMapInvalidNoflush(FrameNumber first, FrameCount pages) {
  // From 6.6 on DIRTY goes too (recorded on 6.1, 6.12, 7.3).
  const EntryFlags dirty(cpa_release_ >= KernelRelease::k6_12 ? EntryFlags::kDirty : 0);
  return changer_.Change({.range = {first, first + pages}, .clear = kPresentWritable.With(dirty), .flush = false},
                         *account_);
}

CpaOutcome Machine::SetDirectMapDefaultNoflush(FrameNumber first, FrameCount pages) {
  return changer_.Change({.range = {first, first + pages}, .set = kPresentWritable, .flush = false}, *account_);
}

CpaOutcome Machine::SetMemory4K(FrameRange range) {
  const bool marks = cpa_release_ >= KernelRelease::k6_16;
  return changer_.Change({.range = range, .set = EntryFlags(marks ? EntryFlags::kKernel4K : 0), .force_4k = true},
                         *account_);
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

VirtualRange Machine::VmapBlock(FrameNumber block) {
  const VirtualRange area = vmalloc_space_.Allocate(kFramesPer2M, kFramesPer2M);
  vmalloc_.Map2M(area.first, block, EntryFlags::PageKernel());
  return area;
}

void Machine::Vunmap(VirtualRange area) {
  vmalloc_.Unmap(area);
  vmalloc_space_.Free(area);
}

absl::Status Machine::CheckInvariants() const {
  if (absl::Status status = allocator_.CheckInvariants(); !status.ok()) return status;
  return direct_map_.CheckInvariants();
}

}  // namespace dmfrag::model
