#ifndef DMFRAG_WORKER_CONVERT_RUN_CONFIG_FROM_SPEC_H_
#define DMFRAG_WORKER_CONVERT_RUN_CONFIG_FROM_SPEC_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dmfrag/v1/job_spec.pb.h"
#include "worker/convert/capture_source.h"
#include "worker/experiment/run_config.h"

namespace dmfrag::convert {

// The run a spec means. REQUIRES: `spec` is canonical with its defaults written down, and its workload is a mix, or a
// recording, whose users and length are not in it, but the mix beside it. What a recording's snapshot could not say,
// and was drawn, is added to `limitations`, a sentence each; null: not wanted. Errors: kInvalidArgument, naming the
// field, for what the model cannot do, and for a boot snapshot that no machine can start from; as ReadChecked for the
// snapshot itself.
absl::StatusOr<experiment::RunConfig> RunConfigFromSpec(const v1::JobSpec& spec, const CaptureSource& captures,
                                                        std::vector<std::string>* limitations = nullptr);

}  // namespace dmfrag::convert

#endif  // DMFRAG_WORKER_CONVERT_RUN_CONFIG_FROM_SPEC_H_
