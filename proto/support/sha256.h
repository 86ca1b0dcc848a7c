#ifndef DMFRAG_PROTO_SUPPORT_SHA256_H_
#define DMFRAG_PROTO_SUPPORT_SHA256_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dmfrag {

// SHA-256 of `data`, 32 raw bytes.
std::string Sha256(std::string_view data);

// Lower-case hex of raw bytes.
std::string ToHex(std::string_view raw);

// Raw bytes of exactly 64 lower-case hex digits. Errors: kInvalidArgument otherwise.
absl::StatusOr<std::string> Sha256FromHex(std::string_view hex);

}  // namespace dmfrag

#endif  // DMFRAG_PROTO_SUPPORT_SHA256_H_
