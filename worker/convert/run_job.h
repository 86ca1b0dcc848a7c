#ifndef DMFRAG_WORKER_CONVERT_RUN_JOB_H_
#define DMFRAG_WORKER_CONVERT_RUN_JOB_H_

#include "absl/status/statusor.h"
#include "dmfrag/v1/job_result.pb.h"
#include "dmfrag/v1/job_spec.pb.h"
#include "worker/convert/aged_state_folder.h"
#include "worker/convert/capture_source.h"

namespace dmfrag::convert {

// Runs one job: the whole way from a spec, canonical or not, to its result. The result is a function of the spec's
// canonical form, the files it names, and kModelVersion. Errors: kInvalidArgument if the spec or the capture is wrong,
// naming the field and the remedy: do not retry. kDataLoss if the bytes of the capture are not what its name says. What
// `captures` returns otherwise. Thread-safe if `captures` is. Aged machines are kept in `aged_states` and taken from
// there; null: each job makes its own, with the same result.
absl::StatusOr<v1::JobResult> RunJob(const v1::JobSpec& spec, const CaptureSource& captures,
                                     const AgedStateFolder* aged_states = nullptr);

}  // namespace dmfrag::convert

#endif  // DMFRAG_WORKER_CONVERT_RUN_JOB_H_
