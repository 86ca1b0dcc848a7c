#ifndef DMFRAG_WORKER_CONVERT_RUN_RECORDING_H_
#define DMFRAG_WORKER_CONVERT_RUN_RECORDING_H_

#include "absl/status/statusor.h"
#include "dmfrag/v1/job_result.pb.h"
#include "dmfrag/v1/job_spec.pb.h"
#include "worker/convert/capture_source.h"

namespace dmfrag::convert {

// Runs a recording's requests: the metrics of the run, with users of a mix beside it named "beside:NAME" and what was
// held before "held:NAME", and a report that has what the kernel did beside it. REQUIRES: as RunConfigFromSpec, but the
// workload is a recording. Errors: as RunConfigFromSpec; kInvalidArgument if the file is no whole recording.
absl::StatusOr<v1::JobResult> RunRecording(const v1::JobSpec& spec, const CaptureSource& captures);

}  // namespace dmfrag::convert

#endif  // DMFRAG_WORKER_CONVERT_RUN_RECORDING_H_
