#include "client/replay/replay.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "client/sweep/axis_label.h"

namespace dmfrag::client {
namespace {

// "secret-612-4g" of ".../secret-612-4g.json.xz".
std::string Stem(const CaptureFile& capture) {
  std::string name = capture.display_name();
  for (const std::string_view suffix : {".xz", ".json"}) {
    if (name.ends_with(suffix) && name.size() > suffix.size()) name.resize(name.size() - suffix.size());
  }
  return name;
}

}  // namespace

v1::Experiment ReplayExperiment(const std::vector<CaptureFile>& captures, const ReplayOptions& options) {
  v1::Experiment experiment;
  experiment.set_display_name(captures.size() == 1 ? absl::StrCat("replay ", Stem(captures[0]))
                                                   : absl::StrCat("replay of ", captures.size(), " captures"));
  // At most 128 characters.
  experiment.mutable_display_name()->resize(std::min<size_t>(128, experiment.display_name().size()));
  experiment.mutable_base()->mutable_cache()->mutable_none();
  experiment.set_replicates(options.seeds);
  v1::Axis& axis = *experiment.add_axes();
  axis.set_path("workload");
  for (const CaptureFile& capture : captures) {
    v1::AxisValue& value = *axis.add_values();
    value.set_label(Stem(capture));
    v1::ReplayWorkload& replay = *value.mutable_spec()->mutable_workload()->mutable_replay();
    replay.set_capture_sha256(capture.sha256);
    if (options.frames != v1::REPLAY_FRAMES_RECORDED) replay.set_frames(options.frames);
    replay.set_trace_sha256(options.trace_sha256);
  }
  MakeLabelsUnique(axis);
  return experiment;
}

std::string FailureOf(const v1::Result& result) {
  if (result.state() != v1::JOB_STATE_SUCCEEDED) {
    return result.failure().empty() ? "its job has no result" : result.failure();
  }
  return result.result().has_replay() ? "" : "its result holds no replay";
}

CaptureSummary SummaryOf(const v1::Result& result, const CaptureFile& capture) {
  CaptureSummary summary = {.file = capture.path};
  summary.error = FailureOf(result);
  if (summary.error.empty()) summary.report = result.result().replay();
  return summary;
}

FreeRunningSummary FreeRunningSummaryOf(const std::vector<v1::Result>& results, const CaptureFile& capture) {
  FreeRunningSummary summary = {.file = capture.path};
  for (const v1::Result& result : results) {
    summary.error = FailureOf(result);
    if (!summary.error.empty()) {
      summary.seeds.clear();
      break;
    }
    summary.seeds.push_back(result.result().replay());
  }
  return summary;
}

}  // namespace dmfrag::client
