#include "client/connection/connection.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/server_address.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

// Longer than a server may take to start.
constexpr absl::Duration kStartLockBound = absl::Seconds(90);
constexpr absl::Duration kServerStopBound = absl::Seconds(20);
constexpr absl::Duration kWorkerStopBound = absl::Seconds(5);
// Between two looks at whether other commands still use the private server.
constexpr absl::Duration kLookForUsers = absl::Milliseconds(100);

// Held, shared, by every command that uses the data folder's server.
std::filesystem::path UsersLockFile(const DataFolder& data) { return data.run_folder() / "users.lock"; }

}  // namespace

std::filesystem::path StartLockFile(const DataFolder& data) { return data.run_folder() / "start.lock"; }

Connection::Connection(std::filesystem::path socket, const Environment& environment)
    : socket_(std::move(socket)), err_(environment.err), interrupt_(environment.interrupt) {
  const std::shared_ptr<grpc::Channel> channel = OpenChannel(socket_);
  experiments_ = v1::Experiments::NewStub(channel);
  results_ = v1::Results::NewStub(channel);
  workers_ = v1::Workers::NewStub(channel);
  captures_ = v1::Captures::NewStub(channel);
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const ConnectOptions& options,
                                                             const Environment& environment) {
  const std::string named =
      options.server.empty() ? environment.variable("DMFRAG_SERVER").value_or("") : options.server;
  if (!named.empty()) {
    ASSIGN_OR_RETURN(std::filesystem::path socket, ParseServerAddress(named));
    if (!SomebodyListens(socket)) {
      return absl::UnavailableError(
          absl::StrCat("no server listens at ", named,
                       "; start it, or leave --server and DMFRAG_SERVER out to use one of your own"));
    }
    return std::unique_ptr<Connection>(new Connection(std::move(socket), environment));
  }
  ASSIGN_OR_RETURN(DataFolder data, DataFolder::Open(environment));
  std::unique_ptr<Connection> connection(new Connection(data.socket(), environment));
  connection->data_ = std::move(data);
  RETURN_IF_ERROR(connection->UseOwnInstance(environment));
  RETURN_IF_ERROR(connection->ProvideWorkers(options.workers, environment));
  return connection;
}

absl::Status Connection::UseOwnInstance(const Environment& environment) {
  ASSIGN_OR_RETURN(const FileLock starting, FileLock::Await(StartLockFile(*data_), FileLock::Mode::kExclusive,
                                                            kStartLockBound, environment.interrupt));
  if (!SomebodyListens(data_->socket())) {
    ASSIGN_OR_RETURN(server_, StartServer(*data_, /*daemon=*/false, environment));
  }
  ASSIGN_OR_RETURN(user_lock_, FileLock::Try(UsersLockFile(*data_), FileLock::Mode::kShared));
  return absl::OkStatus();
}

absl::Status Connection::ProvideWorkers(const WorkerOptions& options, const Environment& environment) {
  if (options.workers == 0) return absl::OkStatus();
  v1::ListWorkersRequest request;
  ASSIGN_OR_RETURN(const v1::ListWorkersResponse response,
                   Call(*workers_, &v1::Workers::StubInterface::ListWorkers, request));
  for (const v1::Worker& worker : response.workers()) {
    if (worker.connected()) return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(worker_processes_, StartWorkers(*data_, socket_, options, /*daemon=*/false, environment));
  return absl::OkStatus();
}

absl::Status Connection::Explain(const grpc::Status& status) const {
  if (interrupt_.requested()) return absl::CancelledError("interrupted");
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    return absl::UnavailableError(
        absl::StrCat("the server at unix:", socket_.native(), " does not answer: ", status.error_message()));
  }
  return FromGrpcStatus(status);
}

Connection::~Connection() {
  // The others need its workers, too.
  const std::vector<FileLock> locks = server_ != nullptr ? AwaitOtherUsers() : std::vector<FileLock>();
  // A server that stops waits a while for connections that are open: this one goes first.
  experiments_.reset();
  results_.reset();
  workers_.reset();
  captures_.reset();
  for (const std::unique_ptr<ChildProcess>& worker : worker_processes_) worker->Stop(kWorkerStopBound);
  if (server_ != nullptr) server_->Stop(kServerStopBound);
}

std::vector<FileLock> Connection::AwaitOtherUsers() {
  user_lock_.reset();
  std::vector<FileLock> locks;
  bool said = false;
  // After a first Ctrl-C a second one ends the program at once, and the private server with it.
  const bool was_interrupted = interrupt_.requested();
  while (!server_->HasEnded() && interrupt_.requested() == was_interrupted) {
    // Both are held while the server stops: whoever comes now waits, then starts one of his own.
    auto starting = FileLock::Try(StartLockFile(*data_), FileLock::Mode::kExclusive);
    auto alone = FileLock::Try(UsersLockFile(*data_), FileLock::Mode::kExclusive);
    if (!starting.ok() || !alone.ok()) break;
    if (starting->has_value() && alone->has_value()) {
      locks.push_back(std::move(**starting));
      locks.push_back(std::move(**alone));
      break;
    }
    if (!said) err_ << "dmfrag: another command uses this private server; waiting for it (Ctrl-C stops the server)\n";
    said = true;
    absl::SleepFor(kLookForUsers);
  }
  return locks;
}

}  // namespace dmfrag::client
