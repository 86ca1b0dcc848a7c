#include "worker/experiment/boot_snapshot.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/experiment/free_running/capture_topology.h"
#include "worker/experiment/free_running/free_running.h"
#include "worker/experiment/free_running/sampled_start.h"
#include "worker/experiment/replay.h"
#include "worker/workload/allocator_capture.h"
#include "worker/workload/kernel_capture.h"

namespace dmfrag::experiment {
namespace {

absl::StatusOr<model::AllocatorSnapshot> AllocatorOf(const BootSnapshot& snapshot, const model::DirectMap& map,
                                                     model::AllocatorRules rules, workload::Random random) {
  if (snapshot.lists.has_value()) return *snapshot.lists;
  return SampleStart({.memory = snapshot.input.memory,
                      .mem_total = snapshot.counts.mem_total.value_or(model::FrameCount(0)),
                      .zones = snapshot.counts.types,
                      .topology = TopologyOf(snapshot.input),
                      .rules = rules},
                     map, random);
}

}  // namespace

absl::StatusOr<BootSnapshot> ReadBootSnapshot(std::string_view capture) {
  ASSIGN_OR_RETURN(workload::KernelCapture kernel, workload::ReadKernelCapture(capture));
  BootSnapshot snapshot{.input = std::move(kernel.input), .step = 0, .lists = std::nullopt, .counts = {}};
  ASSIGN_OR_RETURN(std::vector<workload::AllocatorDump> dumps, workload::ReadAllocatorDumps(capture));
  if (!dumps.empty()) {
    snapshot.step = dumps.front().step;
    snapshot.lists = std::move(dumps.front().state);
    return snapshot;
  }
  ASSIGN_OR_RETURN(const std::vector<workload::FreeCounts> counts, workload::ReadFreeCounts(capture));
  const workload::FreeCounts* start = StartCountsOf(snapshot.input, counts);
  if (start == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("capture ", snapshot.input.capture_id,
                     ": its start has neither free lists nor pagetypeinfo, so that its free memory is not known; take "
                     "a capture that has one of them"));
  }
  snapshot.step = start->step;
  snapshot.counts = *start;
  return snapshot;
}

absl::StatusOr<model::MachineStart> StartFrom(const BootSnapshot& snapshot, model::AllocatorRules rules,
                                              workload::Random random) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Predictor> predictor, Predictor::Create(snapshot.input, nullptr));
  for (const workload::ReplayStep& step : snapshot.input.steps) {
    if (step.index <= snapshot.step) predictor->Apply(step);
  }
  ASSIGN_OR_RETURN(model::AllocatorSnapshot allocator, AllocatorOf(snapshot, predictor->direct_map(), rules, random));
  return model::MachineStart{std::move(allocator), predictor->direct_map(), predictor->map_counters()};
}

}  // namespace dmfrag::experiment
