#ifndef DMFRAG_PROTO_SUPPORT_NAMES_H_
#define DMFRAG_PROTO_SUPPORT_NAMES_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

// Resource names (AIP-122).
namespace dmfrag {

std::string ExperimentName(int64_t id);  // "experiments/{id}"
std::string JobName(int64_t id);         // "jobs/{id}"
std::string CaptureName(const std::string& sha256_hex);

// Errors: kInvalidArgument that says how such a name looks.
absl::StatusOr<int64_t> ParseExperimentName(const std::string& name);
absl::StatusOr<int64_t> ParseJobName(const std::string& name);
absl::StatusOr<std::string> ParseCaptureName(const std::string& name);  // the digest in hex

}  // namespace dmfrag

#endif  // DMFRAG_PROTO_SUPPORT_NAMES_H_
