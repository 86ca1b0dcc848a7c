#ifndef DMFRAG_SERVER_LISTEN_ADDRESS_H_
#define DMFRAG_SERVER_LISTEN_ADDRESS_H_

#include <string>

#include "absl/status/statusor.h"

namespace dmfrag::server {

// Checks `address` ("unix:PATH") and readies PATH: its folder must be ours alone (mode 0700), since whoever can reach
// the socket can use the server; a socket that a dead server left is removed. Returns the path. Errors, each with the
// remedy: kInvalidArgument for any other kind of address (they wait for TLS) or a path that is too long,
// kFailedPrecondition for a folder that others can enter, or a socket that is in use.
absl::StatusOr<std::string> PrepareUnixSocket(const std::string& address);

}  // namespace dmfrag::server

#endif  // DMFRAG_SERVER_LISTEN_ADDRESS_H_
