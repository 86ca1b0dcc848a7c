#include "worker/convert/run_job.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "proto/support/canonical.h"
#include "proto/support/sha256.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/convert/result_to_proto.h"
#include "worker/convert/run_config_from_spec.h"
#include "worker/experiment/replay_comparison.h"
#include "worker/experiment/run.h"
#include "worker/workload/kernel_capture.h"

namespace dmfrag::convert {
namespace {

absl::StatusOr<v1::JobResult> RunMix(const v1::JobSpec& spec) {
  ASSIGN_OR_RETURN(const experiment::RunConfig config, RunConfigFromSpec(spec));
  ASSIGN_OR_RETURN(const experiment::RunResult run, experiment::Run(config));
  return ResultFromRun(run);
}

absl::StatusOr<v1::JobResult> RunReplay(const v1::ReplayWorkload& replay, const CaptureSource& captures) {
  const std::string& name = replay.capture_sha256();
  ASSIGN_OR_RETURN(const std::string bytes, captures.ReadCapture(name));
  if (ToHex(Sha256(bytes)) != name) {
    return absl::DataLossError(absl::StrCat("capture ", name, ": its content has another SHA-256; upload it again"));
  }
  ASSIGN_OR_RETURN(const workload::KernelCapture capture, workload::ReadKernelCapture(bytes));
  ASSIGN_OR_RETURN(const experiment::ReplayComparison comparison, experiment::PredictAndCompare(capture));
  return ResultFromReplay(capture.input, comparison);
}

v1::JobResult NothingDone() {
  v1::JobResult result;
  result.set_outcome(v1::OUTCOME_COMPLETED);
  result.mutable_metrics();
  return result;
}

}  // namespace

absl::StatusOr<v1::JobResult> RunJob(const v1::JobSpec& spec, const CaptureSource& captures) {
  ASSIGN_OR_RETURN(const v1::JobSpec canonical, Canonicalize(spec));
  const v1::JobSpec whole = WithDefaults(canonical);
  switch (whole.workload().source_case()) {
    case v1::WorkloadSpec::kMix:
      return RunMix(whole);
    case v1::WorkloadSpec::kReplay:
      return RunReplay(whole.workload().replay(), captures);
    case v1::WorkloadSpec::kNoop:
      return NothingDone();
    default:
      return absl::InvalidArgumentError("workload: needs a source: mix, preset, replay or noop");
  }
}

}  // namespace dmfrag::convert
