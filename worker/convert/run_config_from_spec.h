#ifndef DMFRAG_WORKER_CONVERT_RUN_CONFIG_FROM_SPEC_H_
#define DMFRAG_WORKER_CONVERT_RUN_CONFIG_FROM_SPEC_H_

#include "absl/status/statusor.h"
#include "dmfrag/v1/job_spec.pb.h"
#include "worker/experiment/run_config.h"

namespace dmfrag::convert {

// The run a spec means. REQUIRES: `spec` is canonical with its defaults written down, and its workload is a mix.
// Errors: kInvalidArgument, naming the field, for what the model cannot do.
absl::StatusOr<experiment::RunConfig> RunConfigFromSpec(const v1::JobSpec& spec);

}  // namespace dmfrag::convert

#endif  // DMFRAG_WORKER_CONVERT_RUN_CONFIG_FROM_SPEC_H_
