#ifndef DMFRAG_WORKER_CONVERT_MIX_FROM_PROTO_H_
#define DMFRAG_WORKER_CONVERT_MIX_FROM_PROTO_H_

#include <string>

#include "absl/status/statusor.h"
#include "dmfrag/v1/workload.pb.h"
#include "worker/workload/mix.h"

namespace dmfrag::convert {

// The mix a spec means at `place`, "workload.mix". REQUIRES: `mix` is canonical with its defaults written down.
// Errors: kInvalidArgument, naming the field, for what no model can do.
absl::StatusOr<workload::MixConfig> MixFrom(const v1::Mix& mix, const std::string& place);

}  // namespace dmfrag::convert

#endif  // DMFRAG_WORKER_CONVERT_MIX_FROM_PROTO_H_
