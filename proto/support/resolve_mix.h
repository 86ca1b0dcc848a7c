#ifndef DMFRAG_PROTO_SUPPORT_RESOLVE_MIX_H_
#define DMFRAG_PROTO_SUPPORT_RESOLVE_MIX_H_

#include <string>

#include "absl/status/statusor.h"
#include "dmfrag/v1/workload.pb.h"

namespace dmfrag {

// The whole mix that `written` means: what it inherits, changes, removes and scales worked in, and nothing of that left
// to do. Idempotent; values are not checked (see CheckMix). `place` is where the mix stands in the spec. Errors:
// kInvalidArgument "workload.mix.path: what is wrong; what is allowed".
absl::StatusOr<v1::Mix> ResolveMix(const v1::Mix& written, const std::string& place = "workload.mix");

}  // namespace dmfrag

#endif  // DMFRAG_PROTO_SUPPORT_RESOLVE_MIX_H_
