#ifndef DMFRAG_WORKER_WORKLOAD_REPLAY_INPUT_H_
#define DMFRAG_WORKER_WORKLOAD_REPLAY_INPUT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "worker/model/boot_machine.h"
#include "worker/model/direct_map.h"
#include "worker/model/entry_flags.h"
#include "worker/model/kernel_release.h"
#include "worker/model/memory_map.h"
#include "worker/model/units.h"
#include "worker/workload/step_operations.h"

// What a capture of a real kernel gives, in two halves that never meet before the comparison: what a predictor may see,
// and what the kernel was measured to do.
namespace dmfrag::workload {

// Counters of the direct map as /proc/meminfo and /proc/vmstat print them.
struct KernelCounters {
  int64_t direct_map_4k_kib = 0;
  int64_t direct_map_2m_kib = 0;
  std::optional<int64_t> direct_map_1g_kib;  // absent: the kernel prints no such line
  int64_t level2_splits = 0;
  int64_t level3_splits = 0;
  std::optional<int64_t> level2_collapses;  // absent before 6.15
  std::optional<int64_t> level3_collapses;
  friend bool operator==(const KernelCounters&, const KernelCounters&) = default;
};

// Recorded calls, read as: for i in [0, count), `op` on the range of `pages_each` pages at first + i * step.
struct CpaCall {
  enum class Op {
    kSetDirectMapInvalid,  // set_direct_map_invalid_noflush
    kSetDirectMapDefault,  // set_direct_map_default_noflush, set_direct_map_valid_noflush(valid)
    kChange,               // __change_page_attr_set_clr on a direct-map address
    kForce4K,              // the same, forced: set_memory_4k
    kRox,                  // the same, with CPA_COLLAPSE: set_memory_rox
  };
  Op op = Op::kChange;
  model::FrameNumber first;
  uint64_t count = 1;
  int64_t step = 0;  // in frames; negative: downwards
  model::FrameCount pages_each{1};
  model::EntryFlags set;
  model::EntryFlags clear;

  // The i-th of the calls alone. REQUIRES: i < count.
  CpaCall Single(uint64_t i) const {
    CpaCall single = *this;
    single.first = model::FrameNumber(first.raw() + static_cast<uint64_t>(step * static_cast<int64_t>(i)));
    single.count = 1;
    return single;
  }
};

// Where the requests of a step came from.
enum class RequestSource { kNone, kCpaCalls, kFrames };

struct ReplayStep {
  int32_t index = 0;
  std::string action;
  RequestSource source = RequestSource::kNone;
  std::vector<CpaCall> calls;
};

// All that a predictor receives.
struct ReplayInput {
  std::string capture_id;
  std::string kernel;  // package
  // Whose rules hold: the greatest known release that is not later than the package's.
  model::KernelRelease release = model::KernelRelease::k6_12;
  uint32_t cpus = 1;  // online
  model::MemoryMap memory;
  model::BootMappingRules mapping;
  // The machine before it booted; absent if the capture does not say where the kernel's image lies.
  std::optional<model::BootMachine> boot = std::nullopt;
  // The dump the prediction starts from, and its counters. Without a dump, the map predicted for `boot`, or failing
  // that the boot rule, and the counters at boot.
  std::optional<int32_t> start_step;
  std::vector<model::LeafRun> start_runs;
  KernelCounters start_counters;
  // Steps after the start, in order.
  std::vector<ReplayStep> steps;
  // What users did, in every step from the first on: calls are generated from these to be compared with those above.
  std::vector<StepOperations> operations = {};
  // What keeps the capture from being predicted exactly, as far as the above tells; empty if nothing.
  std::string limitation;
};

// Interrupts and flushes that the kernel counted over one step.
struct MeasuredInterrupts {
  // Function call interrupts received, summed over the processors (CAL of /proc/interrupts): those of kernel flushes,
  // and everything else that calls a function on another processor. Flushes of user addresses are counted apart (TLB).
  int64_t function_calls = 0;
  // Calls made, where kprobes on both functions counted them.
  struct FlushCalls {
    int64_t flush_tlb_all = 0;
    int64_t flush_tlb_kernel_range = 0;
  };
  std::optional<FlushCalls> flushes;
};

// A split or a collapse of one entry of the direct map.
struct MapEvent {
  // Index of the request at which it happened, every request of the step's calls counted; -1: before any.
  int64_t request = 0;
  model::MapLevel level = model::MapLevel::k2M;  // of the large entry
  model::FrameNumber first;                      // its first frame
  bool collapse = false;
  friend auto operator<=>(const MapEvent&, const MapEvent&) = default;
};

// The page that a split took for its page table.
struct SplitTable {
  model::MapLevel level = model::MapLevel::k2M;  // of the entry that was split
  model::FrameNumber first;                      // its first frame
  model::FrameNumber table;
  friend bool operator==(const SplitTable&, const SplitTable&) = default;
};

// What the kernel was measured to do after the start; for the comparison alone.
struct ReplayMeasured {
  struct Step {
    int32_t index = 0;
    std::optional<KernelCounters> counters;
    // The direct map, where the step dumped it.
    std::optional<std::vector<model::LeafRun>> direct_map;
    // Where they were recorded.
    std::optional<std::vector<MapEvent>> events;
    // Of the splits among the events whose table was recorded too.
    std::vector<SplitTable> split_tables = {};
    // Several processors logged requests, so that rows are out of order and indices are each processor's own.
    bool several_cpus = false;
    // Absent: not counted.
    std::optional<MeasuredInterrupts> interrupts = {};
  };
  std::vector<Step> steps;  // those with anything measured, in order
  // At boot, before the first step.
  std::optional<KernelCounters> boot;
};

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_REPLAY_INPUT_H_
