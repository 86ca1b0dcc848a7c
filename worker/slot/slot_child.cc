#include "worker/slot/slot_child.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "dmfrag/v1/job_spec.pb.h"
#include "dmfrag/v1/workers.pb.h"
#include "google/protobuf/io/zero_copy_stream_impl.h"
#include "google/protobuf/util/delimited_message_util.h"
#include "proto/support/canonical.h"
#include "worker/convert/aged_state_folder.h"
#include "worker/convert/capture_source.h"
#include "worker/convert/run_job.h"

namespace dmfrag::worker {
namespace {

uint64_t CpuMicroseconds() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const absl::Duration time = absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
  return static_cast<uint64_t>(absl::ToInt64Microseconds(time));
}

uint64_t PeakRssBytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

// A spec that the model refuses is the user's fault; all else is ours or the machine's.
v1::FailureClass ClassOf(const absl::Status& status) {
  return absl::IsInvalidArgument(status) ? v1::FAILURE_CLASS_USER : v1::FAILURE_CLASS_INFRA;
}

v1::AttemptReport Run(const v1::JobSpec& spec, const convert::CaptureSource& captures,
                      const convert::AgedStateFolder& aged_states) {
  const absl::Time start = absl::Now();
  const uint64_t cpu_start = CpuMicroseconds();
  absl::StatusOr<v1::JobResult> result = convert::RunJob(spec, captures, &aged_states);
  v1::AttemptReport report;
  report.mutable_cost()->set_wall_us(static_cast<uint64_t>(absl::ToInt64Microseconds(absl::Now() - start)));
  report.mutable_cost()->set_cpu_us(CpuMicroseconds() - cpu_start);
  report.mutable_cost()->set_peak_rss_bytes(PeakRssBytes());
  if (result.ok()) {
    report.set_result_sha256(ResultSha256Hex(*result));
    *report.mutable_result() = *std::move(result);
  } else {
    report.mutable_failure()->set_failure_class(ClassOf(result.status()));
    report.mutable_failure()->set_message(std::string(result.status().message()));
  }
  return report;
}

}  // namespace

int RunSlotChild(const std::string& captures, uint64_t max_aged_bytes) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // a worker that is killed leaves no one behind
  const convert::CaptureDirectory folder(captures);
  const convert::AgedStateFolder aged_states(captures + "/aged", max_aged_bytes);
  google::protobuf::io::FileInputStream input(STDIN_FILENO);
  google::protobuf::io::FileOutputStream output(STDOUT_FILENO);
  while (true) {
    v1::JobSpec spec;
    bool clean_eof = false;
    if (!google::protobuf::util::ParseDelimitedFromZeroCopyStream(&spec, &input, &clean_eof)) return clean_eof ? 0 : 1;
    const v1::AttemptReport report = Run(spec, folder, aged_states);
    const bool written = google::protobuf::util::SerializeDelimitedToZeroCopyStream(report, &output) && output.Flush();
    if (!written) return 1;
  }
}

}  // namespace dmfrag::worker
