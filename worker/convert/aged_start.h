#ifndef DMFRAG_WORKER_CONVERT_AGED_START_H_
#define DMFRAG_WORKER_CONVERT_AGED_START_H_

#include <string>

#include "absl/status/statusor.h"
#include "dmfrag/v1/job_spec.pb.h"
#include "worker/convert/aged_state_folder.h"
#include "worker/experiment/aged_state.h"
#include "worker/experiment/run_config.h"

namespace dmfrag::convert {

// Name of the state that a job starts from, before it is known: a digest of all it depends on, the model's version
// included. `config` is the run that `spec` means.
std::string AgedStateKey(const v1::JobSpec& spec, const experiment::RunConfig& config);

struct AgedStart {
  experiment::AgedState state;
  std::string sha256_hex;  // of its bytes
};

// The state, from `folder` if that has it, else made now and kept there; a null folder keeps nothing. That it cannot be
// kept is told on standard error, and changes nothing else. Errors: as experiment::Age. REQUIRES: config.ageing.
absl::StatusOr<AgedStart> GetAgedStart(const v1::JobSpec& spec, const experiment::RunConfig& config,
                                       const AgedStateFolder* folder);

}  // namespace dmfrag::convert

#endif  // DMFRAG_WORKER_CONVERT_AGED_START_H_
