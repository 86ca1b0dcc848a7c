#include "worker/convert/run_recording.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "proto/recording/reader.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/convert/recording_machine.h"
#include "worker/convert/recording_operations.h"
#include "worker/convert/result_to_proto.h"
#include "worker/convert/run_config_from_spec.h"
#include "worker/experiment/recorded_work.h"
#include "worker/experiment/run.h"
#include "worker/workload/recorded_user.h"

namespace dmfrag::convert {
namespace {

// How much the counter grew over the recording.
std::optional<int64_t> Grown(const v1::MachineSnapshot& before, const v1::MachineSnapshot& after,
                             std::string_view counter) {
  const std::optional<int64_t> first = LineValue(before.vmstat(), counter);
  const std::optional<int64_t> last = LineValue(after.vmstat(), counter);
  if (!first.has_value() || !last.has_value() || *last < *first) return std::nullopt;
  return *last - *first;
}

void AddKernel(const recording::Reader& reader, const recording::RequestTotals& totals, v1::RecordingReport& report) {
  const v1::MachineSnapshot& before = reader.start().before();
  const v1::MachineSnapshot& after = reader.end().after();
  // Events are of the recording's time alone; none are also what a recorder without a probe sees.
  if (const auto grown = Grown(before, after, "direct_map_level2_splits"); totals.splits_2m > 0 || grown.has_value()) {
    report.set_kernel_splits_2m(totals.splits_2m > 0 ? totals.splits_2m : *grown);
  }
  if (const auto grown = Grown(before, after, "direct_map_level3_splits"); totals.splits_1g > 0 || grown.has_value()) {
    report.set_kernel_splits_1g(totals.splits_1g > 0 ? totals.splits_1g : *grown);
  }
  if (const auto free = BuddyInfoTotals(after.buddyinfo()); free.has_value()) {
    report.mutable_kernel_free_blocks()->Add(free->begin(), free->end());
  }
}

void AddHeld(const experiment::RecordedRunResult& result, v1::RecordingReport& report) {
  if (result.held_elsewhere > 0) {
    report.add_limitations(absl::StrCat(result.held_elsewhere,
                                        " blocks from before the recording stand at other frames than in the kernel"));
  }
  if (result.held_missing > 0) {
    report.add_limitations(absl::StrCat(result.held_missing,
                                        " blocks from before the recording found no room, so that their frees are left "
                                        "out"));
  }
}

}  // namespace

absl::StatusOr<v1::JobResult> RunRecording(const v1::JobSpec& spec, const CaptureSource& captures) {
  const v1::RecordingWorkload& workload = spec.workload().recording();
  ASSIGN_OR_RETURN(const std::string bytes, ReadChecked(captures, workload.file_sha256()));
  absl::StatusOr<std::unique_ptr<recording::Reader>> reader = recording::Reader::Open(bytes);
  if (!reader.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("workload.recording.file_sha256: ", reader.status().message()));
  }
  std::vector<std::string> limitations((*reader)->end().limitations().begin(), (*reader)->end().limitations().end());
  ASSIGN_OR_RETURN(experiment::RunConfig config, RunConfigFromSpec(spec, captures, &limitations));
  const RecordingPace pace = {.loops = workload.loops(), .speed_thousandths = workload.speed_thousandths()};
  config.length.duration_us = DurationOfRecording((*reader)->end(), pace);

  experiment::RecordedWork work;
  ASSIGN_OR_RETURN(work.users, UsersOfRecording((*reader)->end()));
  const auto of_mix = static_cast<uint32_t>(config.mix.users.size());
  const auto of_recording = static_cast<uint32_t>(work.users.size());
  for (uint32_t user = 0; user < of_recording; ++user) work.users.push_back(workload::HeldUserOf(work.users[user]));
  ASSIGN_OR_RETURN(const std::unique_ptr<RecordingOperations> operations,
                   RecordingOperations::Create(reader->get(), pace, of_mix, of_mix + of_recording));
  work.operations = operations.get();
  work.held = operations->held();
  ASSIGN_OR_RETURN(experiment::RecordedRunResult run, experiment::Run(config, work));
  RETURN_IF_ERROR(operations->status());

  v1::RecordingReport report;
  for (uint32_t user = 0; user < of_mix; ++user) run.run.users[user].name = "beside:" + run.run.users[user].name;
  for (uint32_t user = of_mix; user < of_mix + of_recording; ++user) {
    report.set_live_pages(report.live_pages() + run.run.users[user].live_pages);
    report.set_failed_allocations(report.failed_allocations() + run.run.users[user].events.allocations_failed);
  }
  const recording::RequestTotals& totals = operations->totals();
  report.set_events((*reader)->end().events());
  report.set_lost_events((*reader)->end().lost_events());
  report.set_allocations(totals.allocations + totals.implied_allocations);
  report.set_implied_allocations(totals.implied_allocations);
  report.set_frees_of_held(totals.frees_of_held);
  report.set_recorded_live_pages(totals.live_pages);
  report.mutable_free_blocks()->Add(run.free_blocks.begin(), run.free_blocks.end());
  report.mutable_free_blocks_at_start()->Add(run.free_blocks_at_start.begin(), run.free_blocks_at_start.end());
  AddKernel(**reader, totals, report);
  for (std::string& limitation : limitations) report.add_limitations(std::move(limitation));
  AddHeld(run, report);

  v1::JobResult result = ResultFromRun(run.run);
  v1::ReplayReport& replay = *result.mutable_replay();
  replay.set_capture_id(workload.file_sha256());
  replay.set_kernel((*reader)->start().before().kernel_release());
  *replay.mutable_recording() = std::move(report);
  return result;
}

}  // namespace dmfrag::convert
