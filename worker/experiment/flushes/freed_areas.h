#ifndef DMFRAG_WORKER_EXPERIMENT_FLUSHES_FREED_AREAS_H_
#define DMFRAG_WORKER_EXPERIMENT_FLUSHES_FREED_AREAS_H_

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "worker/model/units.h"
#include "worker/workload/replay_input.h"

namespace dmfrag::experiment {

// What the set_direct_map_*_noflush calls of a capture stand for. vfree of an area with VM_FLUSH_RESET_PERMS makes
// every page of it invalid, flushes once, and makes every page default again (mm/vmalloc.c vm_reset_perms): so calls
// tell areas of vmalloc memory, which pages each had, and when each was freed. A page that secretmem takes stays
// invalid, and one that it frees was not invalid just before.
//
// Requests are numbered from 0 through all steps. Frees that several processors made at the same time may be taken
// for one, or one for two. Immutable once made.
class FreedAreas {
 public:
  // Of one step.
  struct StepCalls {
    int64_t areas_freed = 0;
    int64_t faults = 0;  // pages that secretmem took
    int64_t frees = 0;   // pages made default that no freed area accounts for: those that secretmem freed
  };

  explicit FreedAreas(const workload::ReplayInput& input);

  // Parallel to the steps of the input.
  const std::vector<StepCalls>& steps() const { return steps_; }

  // The area that `frame` belongs to when request `position` is made: the one it is freed with next. Areas are
  // numbered in the order of their frees; nullopt if none is.
  std::optional<uint32_t> AreaAt(model::FrameNumber frame, uint64_t position) const;
  // The area whose first page request `position` makes default; nullopt if it does no such thing.
  std::optional<uint32_t> AreaFreedAt(uint64_t position) const;
  model::FrameCount size(uint32_t area) const { return sizes_[area]; }

 private:
  using Frames = absl::flat_hash_set<uint64_t>;

  void ScanStep(const workload::ReplayStep& step, StepCalls& calls);
  Frames PagesMadeDefault(const workload::ReplayStep& step) const;
  // `returned`: in a step that takes secret pages, those that it makes default too, which are of areas freed meanwhile;
  // else null.
  void MakeInvalid(const workload::CpaCall& call, const Frames* returned, StepCalls& calls);
  void MakeDefault(const workload::CpaCall& call, StepCalls& calls);
  bool FreePage(uint64_t frame, StepCalls& calls);

  const uint64_t end_;  // of memory; damaged captures may name frames beyond
  uint64_t position_ = 0;
  Frames invalid_;
  Frames closing_;  // of areas being freed: to be made default next
  std::vector<StepCalls> steps_;
  std::vector<model::FrameCount> sizes_;
  absl::flat_hash_map<uint64_t, uint32_t> freed_at_;  // areas by position
  // Per frame: when it was freed, and with which area; ascending.
  absl::flat_hash_map<uint64_t, std::vector<std::pair<uint64_t, uint32_t>>> freed_;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_FLUSHES_FREED_AREAS_H_
