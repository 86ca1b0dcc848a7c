#ifndef DMFRAG_PROTO_SUPPORT_CANONICAL_H_
#define DMFRAG_PROTO_SUPPORT_CANONICAL_H_

#include <string>

#include "absl/status/statusor.h"
#include "dmfrag/v1/job_result.pb.h"
#include "dmfrag/v1/job_spec.pb.h"
#include "google/protobuf/message.h"

// One form and one digest for all specs that mean the same.
//
// Canonical bytes of a message: for each set field in ascending order of its number, the number as a varint, then its
// value. Booleans, enums and unsigned integers are varints; signed integers are zigzag varints; strings, bytes and
// messages are their length as a varint and their (canonical) bytes; a repeated field is its count as a varint and its
// elements. Floating point, maps and unknown fields have no canonical form. A digest is SHA-256 over a domain prefix
// (the message's full name and a newline) and those bytes. The form is frozen: proto/testdata/digest_vectors.json holds
// vectors.
namespace dmfrag {

// The canonical form of `spec`: presets inlined and mixes made whole (ResolveMix), fields equal to their frozen default
// and empty messages outside a oneof cleared. Idempotent. Errors: kInvalidArgument, naming the field and the remedy,
// for an unknown field or enum value, an unknown preset, a value out of its range, or one that the cache type refuses.
absl::StatusOr<v1::JobSpec> Canonicalize(const v1::JobSpec& spec);

// A canonical spec with another seed, canonical too; much cheaper than Canonicalize.
v1::JobSpec WithSeed(v1::JobSpec canonical, uint64_t seed);

// `spec` with every frozen default written down.
v1::JobSpec WithDefaults(const v1::JobSpec& spec);

// Canonical bytes of any message without floating point, maps and unknown fields.
std::string CanonicalBytes(const google::protobuf::Message& message);

// SHA-256 (32 raw bytes) of a message's canonical bytes under its own domain prefix.
std::string CanonicalSha256(const google::protobuf::Message& message);

// Digest of a canonical spec, lower-case hex. REQUIRES: `canonical` came from Canonicalize.
std::string SpecSha256Hex(const v1::JobSpec& canonical);

// Digest of a result, lower-case hex.
std::string ResultSha256Hex(const v1::JobResult& result);

}  // namespace dmfrag

#endif  // DMFRAG_PROTO_SUPPORT_CANONICAL_H_
