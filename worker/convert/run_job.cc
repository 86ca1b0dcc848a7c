#include "worker/convert/run_job.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "proto/support/canonical.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/convert/aged_start.h"
#include "worker/convert/allocator_replay_to_proto.h"
#include "worker/convert/free_running_to_proto.h"
#include "worker/convert/result_to_proto.h"
#include "worker/convert/run_config_from_spec.h"
#include "worker/convert/run_recording.h"
#include "worker/experiment/allocator_replay.h"
#include "worker/experiment/free_running/free_running.h"
#include "worker/experiment/replay_comparison.h"
#include "worker/experiment/run.h"
#include "worker/model/allocator_rules.h"
#include "worker/workload/allocator_capture.h"
#include "worker/workload/kernel_capture.h"
#include "worker/workload/page_type_info.h"
#include "worker/workload/xz.h"

namespace dmfrag::convert {
namespace {

// Text of a trace.
constexpr size_t kMaxTraceBytes = size_t{1} << 30;

absl::StatusOr<v1::JobResult> RunMix(const v1::JobSpec& spec, const CaptureSource& captures,
                                     const AgedStateFolder* aged_states) {
  ASSIGN_OR_RETURN(const experiment::RunConfig config, RunConfigFromSpec(spec, captures));
  if (config.ageing.has_value()) {
    ASSIGN_OR_RETURN(const AgedStart start, GetAgedStart(spec, config, aged_states));
    ASSIGN_OR_RETURN(const experiment::RunResult run, experiment::Run(config, start.state));
    v1::JobResult result = ResultFromRun(run);
    result.set_aged_state_sha256(start.sha256_hex);
    return result;
  }
  ASSIGN_OR_RETURN(const experiment::RunResult run, experiment::Run(config));
  return ResultFromRun(run);
}

// The capture's steps on a machine that picks its own frames, from a start that `seed` draws.
absl::StatusOr<v1::JobResult> RunFreeReplay(const v1::ReplayWorkload& replay, uint64_t seed,
                                            const CaptureSource& captures) {
  ASSIGN_OR_RETURN(const std::string bytes, ReadChecked(captures, replay.capture_sha256()));
  ASSIGN_OR_RETURN(const workload::KernelCapture capture, workload::ReadKernelCapture(bytes));
  ASSIGN_OR_RETURN(const std::vector<workload::FreeCounts> counts, workload::ReadFreeCounts(bytes));
  const workload::FreeCounts* start = experiment::StartCountsOf(capture.input, counts);
  if (start == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("capture ", capture.input.capture_id,
                     ": its start has no pagetypeinfo, so that the model cannot choose frames; take frames: recorded"));
  }
  ASSIGN_OR_RETURN(const experiment::FreeRunningResult result, experiment::RunFreely(capture.input, *start, seed));
  return ResultFromFreeRunning(capture, counts, *start, result);
}

// A step of the same number does something else in a trace of another run.
absl::Status CheckSameRun(const workload::ReplayInput& input, const experiment::AllocatorReplayResult& replay) {
  std::map<int32_t, std::string> actions;
  for (const workload::ReplayStep& step : input.steps) actions[step.index] = step.action;
  for (const experiment::AllocatorStep& step : replay.steps) {
    const auto action = actions.find(step.index);
    if (action == actions.end() || action->second == step.action) continue;
    return absl::InvalidArgumentError(absl::StrCat("trace: step ", step.index, " is \"", step.action,
                                                   "\", but in capture ", input.capture_id, " it is \"", action->second,
                                                   "\"; the trace is of another run: name that of this one"));
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::JobResult> RunTraceReplay(const v1::ReplayWorkload& replay, const CaptureSource& captures) {
  ASSIGN_OR_RETURN(const std::string bytes, ReadChecked(captures, replay.capture_sha256()));
  ASSIGN_OR_RETURN(const workload::KernelCapture capture, workload::ReadKernelCapture(bytes));
  ASSIGN_OR_RETURN(const std::vector<workload::AllocatorDump> dumps, workload::ReadAllocatorDumps(bytes));
  if (dumps.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("capture ", capture.input.capture_id,
                     ": has no dump of free lists for a trace to start from; leave the trace out"));
  }
  ASSIGN_OR_RETURN(const std::string compressed, ReadChecked(captures, replay.trace_sha256()));
  ASSIGN_OR_RETURN(const std::string trace, workload::DecompressXz(compressed, kMaxTraceBytes));
  ASSIGN_OR_RETURN(const experiment::AllocatorReplayResult result,
                   experiment::ReplayAllocator(dumps, trace, model::AllocatorRules::Of(capture.input.release), {}));
  RETURN_IF_ERROR(CheckSameRun(capture.input, result));
  return ResultFromAllocatorReplay(capture.input, dumps.front().step, result);
}

absl::StatusOr<v1::JobResult> RunReplay(const v1::ReplayWorkload& replay, const CaptureSource& captures) {
  ASSIGN_OR_RETURN(const std::string bytes, ReadChecked(captures, replay.capture_sha256()));
  ASSIGN_OR_RETURN(const workload::KernelCapture capture, workload::ReadKernelCapture(bytes));
  ASSIGN_OR_RETURN(const experiment::ReplayComparison comparison, experiment::PredictAndCompare(capture));
  return ResultFromReplay(capture.input, comparison);
}

absl::StatusOr<v1::JobResult> RunAnyReplay(const v1::JobSpec& spec, const CaptureSource& captures) {
  const v1::ReplayWorkload& replay = spec.workload().replay();
  if (!replay.trace_sha256().empty()) return RunTraceReplay(replay, captures);
  if (replay.frames() == v1::REPLAY_FRAMES_MODEL) return RunFreeReplay(replay, spec.seed(), captures);
  return RunReplay(replay, captures);
}

v1::JobResult NothingDone() {
  v1::JobResult result;
  result.set_outcome(v1::OUTCOME_COMPLETED);
  result.mutable_metrics();
  return result;
}

}  // namespace

absl::StatusOr<v1::JobResult> RunJob(const v1::JobSpec& spec, const CaptureSource& captures,
                                     const AgedStateFolder* aged_states) {
  ASSIGN_OR_RETURN(const v1::JobSpec canonical, Canonicalize(spec));
  const v1::JobSpec whole = WithDefaults(canonical);
  switch (whole.workload().source_case()) {
    case v1::WorkloadSpec::kMix:
      return RunMix(whole, captures, aged_states);
    case v1::WorkloadSpec::kReplay:
      return RunAnyReplay(whole, captures);
    case v1::WorkloadSpec::kRecording:
      return RunRecording(whole, captures);
    case v1::WorkloadSpec::kNoop:
      return NothingDone();
    default:
      return absl::InvalidArgumentError("workload: needs a source: mix, preset, replay, recording or noop");
  }
}

}  // namespace dmfrag::convert
