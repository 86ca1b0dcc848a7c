#ifndef DMFRAG_CLIENT_CONNECTION_CONNECTION_H_
#define DMFRAG_CLIENT_CONNECTION_CONNECTION_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/connection/channel.h"
#include "client/connection/data_folder.h"
#include "client/connection/file_lock.h"
#include "client/connection/local_instance.h"
#include "client/environment/environment.h"
#include "dmfrag/v1/captures.grpc.pb.h"
#include "dmfrag/v1/experiments.grpc.pb.h"
#include "dmfrag/v1/results.grpc.pb.h"
#include "dmfrag/v1/workers.grpc.pb.h"

namespace dmfrag::client {

// How a command wants to be connected.
struct ConnectOptions {
  // From --server; else DMFRAG_SERVER is taken; else the user's own instance.
  std::string server;
  // Own instance: start these workers if none is connected. 0 workers: none is needed.
  WorkerOptions workers = {.workers = 0, .slots = 0};
};

// A connection to a server, and the private server and workers that were started for it. Commands that use one private
// server at the same time share it; the one that started it waits for the others before it stops it.
class Connection {
 public:
  // Errors: INVALID_ARGUMENT for a wrong address; UNAVAILABLE if nobody listens at a named one; those of
  // DataFolder::Open and StartServer; CANCELLED.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const ConnectOptions& options,
                                                          const Environment& environment);

  // Stops what Open started.
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  v1::Experiments::StubInterface& experiments() { return *experiments_; }
  v1::Results::StubInterface& results() { return *results_; }
  v1::Workers::StubInterface& workers() { return *workers_; }
  v1::Captures::StubInterface& captures() { return *captures_; }

  // True if the server, or every worker, stops with this connection: what is queued then waits for the next command.
  bool is_private() const { return server_ != nullptr || !worker_processes_.empty(); }

  // One unary call. Errors: the server's; CANCELLED when interrupted.
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(Stub& stub,
                                grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kCallDeadline));
    const Interrupt::Reaction cancel(interrupt_, [&context] { context.TryCancel(); });
    Response response;
    const grpc::Status status = (stub.*method)(&context, request, &response);
    if (!status.ok()) return Explain(status);
    return response;
  }

  // The absl form of a failed call: CANCELLED "interrupted" after Ctrl-C; a lost connection says where the server was.
  absl::Status Explain(const grpc::Status& status) const;

  Interrupt& interrupt() { return interrupt_; }

 private:
  static constexpr absl::Duration kCallDeadline = absl::Seconds(60);

  Connection(std::filesystem::path socket, const Environment& environment);

  // Starts the private server if nobody listens, and enters the list of its users.
  absl::Status UseOwnInstance(const Environment& environment);
  // Starts workers if none is connected.
  absl::Status ProvideWorkers(const WorkerOptions& options, const Environment& environment);
  // Waits until no other command uses the private server, and returns the locks that keep it so; none if interrupted.
  std::vector<FileLock> AwaitOtherUsers();

  std::filesystem::path socket_;
  std::ostream& err_;
  Interrupt& interrupt_;
  std::optional<DataFolder> data_;
  std::optional<FileLock> user_lock_;
  std::unique_ptr<ChildProcess> server_;
  std::vector<std::unique_ptr<ChildProcess>> worker_processes_;
  std::unique_ptr<v1::Experiments::StubInterface> experiments_;
  std::unique_ptr<v1::Results::StubInterface> results_;
  std::unique_ptr<v1::Workers::StubInterface> workers_;
  std::unique_ptr<v1::Captures::StubInterface> captures_;
};

// Held while a data folder's server is started or stopped.
std::filesystem::path StartLockFile(const DataFolder& data);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_CONNECTION_CONNECTION_H_
