#ifndef DMFRAG_WORKER_CONVERT_COST_FROM_PROTO_H_
#define DMFRAG_WORKER_CONVERT_COST_FROM_PROTO_H_

#include <optional>

#include "absl/status/statusor.h"
#include "dmfrag/v1/machine.pb.h"
#include "worker/experiment/cost_account.h"
#include "worker/model/machine.h"

namespace dmfrag::convert {

// What a run's cost is predicted from: of `spec`, canonical with its defaults written down, on `machine`, which it
// means together with its cache. nullopt if it names no processor. Errors: kInvalidArgument, naming the field, for a
// processor that is not modelled, and for constants without a processor, of unknown names, out of order, given twice or
// too large.
absl::StatusOr<std::optional<experiment::CostConfig>> CostFrom(const v1::MachineSpec& spec,
                                                               const model::MachineConfig& machine);

}  // namespace dmfrag::convert

#endif  // DMFRAG_WORKER_CONVERT_COST_FROM_PROTO_H_
