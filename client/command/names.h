#ifndef DMFRAG_CLIENT_COMMAND_NAMES_H_
#define DMFRAG_CLIENT_COMMAND_NAMES_H_

#include <string>

#include "absl/status/statusor.h"
#include "client/connection/connection.h"

namespace dmfrag::client {

// "experiments/1" for experiments/1, 1, e1, and "last" (the newest, for which the server is asked).
// Errors: INVALID_ARGUMENT for anything else; NOT_FOUND for "last" of none.
absl::StatusOr<std::string> ResolveExperiment(Connection& connection, const std::string& written);

// "jobs/42" for jobs/42 and 42. Errors: INVALID_ARGUMENT for anything else.
absl::StatusOr<std::string> ResolveJob(const std::string& written);

// A random UUID (RFC 4122, version 4): the request id of one submit or cancel.
std::string NewRequestId();

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_COMMAND_NAMES_H_
