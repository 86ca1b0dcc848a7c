#ifndef DMFRAG_PROTO_SUPPORT_SPEC_LIMITS_H_
#define DMFRAG_PROTO_SUPPORT_SPEC_LIMITS_H_

#include "absl/status/status.h"
#include "dmfrag/v1/job_spec.pb.h"

namespace dmfrag {

// Checks every value of `spec` against the range its field's comment gives, presets inlined. Errors: kInvalidArgument
// "field.path: what is wrong; what is allowed".
absl::Status CheckLimits(const v1::JobSpec& spec);

// The same for the number of NUMA nodes, which processors and memory limit. REQUIRES: defaults are filled in.
absl::Status CheckNumaNodes(const v1::MachineSpec& machine);

}  // namespace dmfrag

#endif  // DMFRAG_PROTO_SUPPORT_SPEC_LIMITS_H_
