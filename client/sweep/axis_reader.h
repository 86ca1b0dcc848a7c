#ifndef DMFRAG_CLIENT_SWEEP_AXIS_READER_H_
#define DMFRAG_CLIENT_SWEEP_AXIS_READER_H_

#include "absl/status/status.h"
#include "client/sweep/source_node.h"
#include "dmfrag/v1/experiments.pb.h"

namespace dmfrag::client {

// Limits of the protocol (experiments.proto).
inline constexpr int kMaxAxes = 16;
inline constexpr int kMaxAxisValues = 10'000;

// Reads the `axes` of a sweep: a map from the path of a JobSpec field, written with the names of sweep files, to the
// list of its values. A path of one name may also be a field of a message of JobSpec, if only one has it: `memory`.
// Errors: INVALID_ARGUMENT with the place.
absl::Status ReadAxes(const SourceFile& file, const SourceNode& node, v1::Experiment& experiment);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_SWEEP_AXIS_READER_H_
