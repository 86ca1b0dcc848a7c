#ifndef DMFRAG_PROTO_SUPPORT_SERVER_ADDRESS_H_
#define DMFRAG_PROTO_SUPPORT_SERVER_ADDRESS_H_

#include <filesystem>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dmfrag {

// Longest path of a Unix socket: sockaddr_un.sun_path less its final zero.
inline constexpr size_t kMaxSocketPathBytes = 107;

// Reads "unix:/path", the one form of address until TLS stands.
// Errors: INVALID_ARGUMENT for every other form, with the reason and the remedy.
absl::StatusOr<std::filesystem::path> ParseServerAddress(std::string_view address);

// gRPC's name for a Unix socket; the path is percent-encoded, as gRPC takes it for a URI.
std::string GrpcTarget(const std::filesystem::path& socket);

// A server listens at the socket now: a connection was taken.
bool SomebodyListens(const std::filesystem::path& socket);

}  // namespace dmfrag

#endif  // DMFRAG_PROTO_SUPPORT_SERVER_ADDRESS_H_
