#include "worker/convert/replay_result.h"

namespace dmfrag::convert {

v1::JobResult ReplayResult(const workload::ReplayInput& input, std::optional<int32_t> start_step) {
  v1::JobResult result;
  result.set_outcome(v1::OUTCOME_COMPLETED);
  v1::ReplayReport& report = *result.mutable_replay();
  report.set_capture_id(input.capture_id);
  report.set_kernel(input.kernel);
  if (start_step.has_value()) report.set_start_step(*start_step);
  return result;
}

}  // namespace dmfrag::convert
