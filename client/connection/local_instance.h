#ifndef DMFRAG_CLIENT_CONNECTION_LOCAL_INSTANCE_H_
#define DMFRAG_CLIENT_CONNECTION_LOCAL_INSTANCE_H_

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/connection/data_folder.h"
#include "client/connection/process.h"
#include "client/environment/environment.h"

namespace dmfrag::client {

// How many workers to start.
struct WorkerOptions {
  int workers = 2;
  // Jobs each runs at once; 0 shares the processors out among the workers.
  int slots = 0;
};

// Largest values of WorkerOptions.
inline constexpr int kMaxLocalWorkers = 64;
inline constexpr int kMaxLocalSlots = 1024;

// Starts the server of a data folder, and waits until it serves. A private one ends when the returned object is
// destroyed, or when this program ends, however it does; a daemon lives on. Errors: FAILED_PRECONDITION if the program
// is not there or ends at once, with the end of its log; CANCELLED.
absl::StatusOr<std::unique_ptr<ChildProcess>> StartServer(const DataFolder& data, bool daemon,
                                                          const Environment& environment);

// Starts workers for the server at `socket`, in the same way. Does not wait until they are connected.
absl::StatusOr<std::vector<std::unique_ptr<ChildProcess>>> StartWorkers(const DataFolder& data,
                                                                        const std::filesystem::path& socket,
                                                                        const WorkerOptions& options, bool daemon,
                                                                        const Environment& environment);

// The last lines of a log file, for an error; empty if there is none.
std::string LogTail(const std::filesystem::path& file);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_CONNECTION_LOCAL_INSTANCE_H_
