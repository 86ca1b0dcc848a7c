#ifndef DMFRAG_PROTO_SUPPORT_FIGURE_LIMITS_H_
#define DMFRAG_PROTO_SUPPORT_FIGURE_LIMITS_H_

#include <string>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace dmfrag {

// Checks every figure of a kind of user or a cache type, at `path` of the spec, against the range that its field gives
// (annotations.proto `figure`); what has no frozen default must be set. Errors: kInvalidArgument "path.field: what is
// wrong; what is allowed".
absl::Status CheckFigures(const std::string& path, const google::protobuf::Message& message);

}  // namespace dmfrag

#endif  // DMFRAG_PROTO_SUPPORT_FIGURE_LIMITS_H_
