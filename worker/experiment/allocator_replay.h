#ifndef DMFRAG_WORKER_EXPERIMENT_ALLOCATOR_REPLAY_H_
#define DMFRAG_WORKER_EXPERIMENT_ALLOCATOR_REPLAY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/experiment/allocator_comparison.h"
#include "worker/model/allocator_rules.h"
#include "worker/model/units.h"
#include "worker/workload/allocator_capture.h"

namespace dmfrag::experiment {

// What a replay does with an allocation for which the model picks another frame than the kernel did.
enum class ReplayMode {
  // Takes the kernel's frame, so that every later allocation is a fair question again; and starts anew at each dump
  // that
  // differs.
  kFollowKernel,
  // Keeps the model's, and lets the kernel's later free mean it. Dumps are compared, never taken over.
  kFreeRunning,
};

// Why the frames differ, as far as it can be told from where the model has the kernel's frame.
enum class DivergenceCause {
  kCompaction,   // compaction has run since the last start; how it reorders free lists is not modelled
  kOtherPerCpu,  // it is on a per-CPU list, but not next
  kOtherFree,    // it is on a free list, but not next
  kInUse,        // it is in use: a free is missing from the trace, or went another way
  kNoMemory,     // the model has no page to give
};

struct Divergence {
  uint64_t line = 0;  // of the trace
  DivergenceCause cause = DivergenceCause::kOtherFree;
  model::Order order;
  model::FrameNumber kernel;
  std::optional<model::FrameNumber> model;
};

// The allocations logged from the begin of a step up to the begin of the next.
struct AllocatorStep {
  int32_t index = -1;  // -1: before any step
  std::string action;
  uint64_t allocations = 0;
  uint64_t equal = 0;  // of them, those for which the model picked the kernel's frame
  uint64_t frees = 0;
  uint64_t bulk_frames = 0;        // handed out without being logged, so not compared
  uint64_t compaction_frames = 0;  // taken by compaction, as targets or for nothing
  std::optional<Divergence> first;
};

struct AllocatorDumpComparison {
  uint64_t dump = 0;
  int32_t step = 0;
  AllocatorComparison lists;
};

struct AllocatorReplayResult {
  std::vector<AllocatorStep> steps;            // that the trace has, from the first dump on
  std::vector<AllocatorDumpComparison> dumps;  // all but the first
  // Frees of frames that the model thought free. For each a bulk frame was freed instead, if there was one.
  uint64_t unexpected_frees = 0;
  uint64_t decays = 0;                    // times the per-CPU lists' periodic decay was applied
  std::optional<uint64_t> tick_phase_us;  // within a second; when the periodic one runs, if it is known

  uint64_t allocations() const;
  uint64_t equal() const;
};

struct AllocatorReplayOptions {
  ReplayMode mode = ReplayMode::kFollowKernel;
  // When the once-a-second statistics work (vmstat_update) runs, within a second of the trace's clock. Unset: found in
  // the trace, as a kworker's drain of per-CPU lists that no step's end explains; if there is none, it does not run.
  // This is an input of time, which no model predicts. From 6.7 on alone.
  std::optional<uint64_t> tick_phase_us;
};

// Drives a page allocator, started from the first dump, by the trace's events from there on; compares each frame it
// picks with the kernel's, and its lists with each later dump. Allocations without a record (alloc_pages_bulk) are made
// from the number that its probe logged; pages that compaction moves go where they went. The recorder flushes the
// kernel's statistics after every step that dumps nothing, and with that decays the per-CPU lists.
//
// Errors: kInvalidArgument if the trace or a dump is damaged, has no mark of the first dump, or names a processor the
// dumps do not have; the text names the place. Linear in the trace.
absl::StatusOr<AllocatorReplayResult> ReplayAllocator(const std::vector<workload::AllocatorDump>& dumps,
                                                      std::string_view trace, model::AllocatorRules rules,
                                                      const AllocatorReplayOptions& options);

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_ALLOCATOR_REPLAY_H_
