#ifndef DMFRAG_PROTO_SUPPORT_CACHE_LIMITS_H_
#define DMFRAG_PROTO_SUPPORT_CACHE_LIMITS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "dmfrag/v1/cache.pb.h"
#include "google/protobuf/descriptor.h"

// What each cache type takes and what it refuses, from what cache.proto says of it (annotations.proto `cache_type`).
// The server and the reader of sweep files both ask here. Messages that are no cache types refuse nothing.
namespace dmfrag {

// Checks that a type is set, and every option of it. Errors: kInvalidArgument "cache.TYPE.option: what is wrong; what
// is allowed".
absl::Status CheckCache(const v1::CacheSpec& cache);

// "is no option of unmapped_buddy: its lists know no nodes; leave it out", for a name that is no field of `type`; null
// for names that no cache type has. `name` is a field's name.
std::optional<std::string> WhyNoOption(const google::protobuf::Descriptor& type, std::string_view name);

// "divert is refused by per_user: a pageblock mark ...; allowed: dedicated_api, ...": why the type that has `option`
// refuses that value of it; null if it takes it.
std::optional<std::string> WhyNoValue(const google::protobuf::FieldDescriptor& option,
                                      const google::protobuf::EnumValueDescriptor& value);

// Names of the values that may be written for a field of an enum type, in order of their declaration.
std::vector<std::string> AllowedValues(const google::protobuf::FieldDescriptor& option);

}  // namespace dmfrag

#endif  // DMFRAG_PROTO_SUPPORT_CACHE_LIMITS_H_
