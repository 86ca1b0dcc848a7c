#ifndef DMFRAG_CLIENT_CONNECTION_DAEMON_H_
#define DMFRAG_CLIENT_CONNECTION_DAEMON_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/connection/data_folder.h"
#include "client/connection/local_instance.h"
#include "client/connection/process.h"
#include "client/environment/environment.h"

namespace dmfrag::client {

// The user's own server and workers that outlive a command (`dmfrag up`), each with a file <data>/run/NAME.pid.

// One of them.
struct Daemon {
  // "server", "worker-1", ...
  std::string name;
  ProcessIdentity process;
};

// Those that run, the server last. Files left by ended ones are removed.
std::vector<Daemon> FindDaemons(const DataFolder& data);

// Starts the server and the workers. On an error nothing that it started is left running.
// Errors: ALREADY_EXISTS if a server listens; those of StartServer and StartWorkers.
absl::Status StartDaemons(const DataFolder& data, const WorkerOptions& options, const Environment& environment);

// Stops every daemon, workers first. Errors: DEADLINE_EXCEEDED if one does not end in time.
absl::Status StopDaemons(const DataFolder& data);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_CONNECTION_DAEMON_H_
