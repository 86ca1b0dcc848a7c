#include "worker/model/machine.h"

#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::model {
namespace {

constexpr uint32_t kMaxCpus = 4096;
constexpr EntryFlags kPresentWritable(EntryFlags::kPresent | EntryFlags::kWritable);

}  // namespace

absl::StatusOr<std::unique_ptr<Machine>> Machine::Create(const MachineConfig& config) {
  if (config.cpus < 1 || config.cpus > kMaxCpus) {
    return absl::InvalidArgumentError(absl::StrCat("machine with ", config.cpus, " processors: give 1 to ", kMaxCpus));
  }
  ASSIGN_OR_RETURN(const NumaTopology topology, NumaTopology::Even(config.memory, config.numa_nodes, config.cpus));
  return std::unique_ptr<Machine>(new Machine(config, topology));
}

Machine::Machine(const MachineConfig& config, const NumaTopology& topology)
    : cpa_release_(config.cpa_release),
      allocator_(config.memory, topology, AllocatorRules::Of(config.allocator_release)),
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

absl::Status Machine::CheckInvariants() const {
  if (absl::Status status = allocator_.CheckInvariants(); !status.ok()) return status;
  return direct_map_.CheckInvariants();
}

}  // namespace dmfrag::model
