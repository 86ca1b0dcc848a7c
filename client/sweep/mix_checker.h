#ifndef DMFRAG_CLIENT_SWEEP_MIX_CHECKER_H_
#define DMFRAG_CLIENT_SWEEP_MIX_CHECKER_H_

#include "absl/status/status.h"
#include "client/sweep/source_node.h"
#include "dmfrag/v1/experiments.pb.h"

namespace dmfrag::client {

// Checks the mixes of a sweep as the server would, so that errors name the line: that of the base, unless an axis
// changes it, and each that is a value of an axis. Mixes of which an axis changes a part are left to the server. `root`
// is the file from which `experiment` was read. Errors: INVALID_ARGUMENT with the place.
absl::Status CheckMixes(const SourceFile& file, const SourceNode& root, const v1::Experiment& experiment);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_SWEEP_MIX_CHECKER_H_
