#ifndef DMFRAG_CLIENT_COMMAND_SHOW_RESULTS_H_
#define DMFRAG_CLIENT_COMMAND_SHOW_RESULTS_H_

#include <string>

#include "absl/status/status.h"
#include "client/command/command.h"
#include "client/connection/connection.h"
#include "client/environment/environment.h"

namespace dmfrag::client {

// Reads an experiment's results and prints the mean of each point on `environment.out`. Errors: the server's.
absl::Status ShowAggregates(Connection& connection, const std::string& experiment, const std::string& filter,
                            OutputFormat output, Environment& environment);

// The same, one row per job.
absl::Status ShowRaw(Connection& connection, const std::string& experiment, const std::string& filter,
                     OutputFormat output, Environment& environment);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_COMMAND_SHOW_RESULTS_H_
