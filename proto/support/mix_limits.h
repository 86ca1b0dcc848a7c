#ifndef DMFRAG_PROTO_SUPPORT_MIX_LIMITS_H_
#define DMFRAG_PROTO_SUPPORT_MIX_LIMITS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "dmfrag/v1/annotations.pb.h"
#include "dmfrag/v1/workload.pb.h"
#include "google/protobuf/descriptor.h"

namespace dmfrag {

// `place` is where the mix stands in the spec. Errors of both: kInvalidArgument "workload.mix.path: what is
// wrong; what is allowed". Users and phases stand in paths by their names: "workload.mix.users[anon].ordinary.order".

// Checks every value of a whole mix (see ResolveMix) against the range that its field gives (annotations.proto figure).
absl::Status CheckMix(const v1::Mix& mix, const std::string& place = "workload.mix");

// Checks that users and phases have names, each its own.
absl::Status CheckMixNames(const v1::Mix& mix, const std::string& place = "workload.mix");

// The field that says what a user is; null: none is set.
const google::protobuf::FieldDescriptor* KindOf(const v1::User& user);

// Whether a user changes permissions, and how. REQUIRES: it has a kind.
v1::UserCategory CategoryOf(const v1::User& user);

// Names of the kinds of users, in order of their declaration.
std::vector<std::string> UserKindNames();

}  // namespace dmfrag

#endif  // DMFRAG_PROTO_SUPPORT_MIX_LIMITS_H_
