#include <algorithm>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/command/daemon_output.h"
#include "client/command/registry.h"
#include "client/command/submission.h"
#include "client/command/worker_list.h"
#include "client/connection/connection.h"
#include "client/connection/daemon.h"
#include "client/connection/data_folder.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

// A worker proves itself on the golden set before it connects.
constexpr absl::Duration kWorkerStartBound = absl::Seconds(60);
constexpr absl::Duration kBetweenLooks = absl::Milliseconds(50);

// Starts a server and workers of the user's own, which stay until `down`.
class UpCommand : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* sub = app.add_subcommand("up", "Start a server and workers of your own, which stay until `dmfrag down`");
    AddWorkerOptions(*sub, workers_);
    sub->footer("Example:\n  dmfrag up --workers 2");
    return sub;
  }

  absl::StatusOr<ExitCode> Run(const GlobalOptions& options, Environment& environment) override {
    ASSIGN_OR_RETURN(const DataFolder data, DataFolder::Open(environment));
    const absl::Status started = StartDaemons(data, workers_, environment);
    if (absl::IsAlreadyExists(started)) return SayAlreadyUp(data, options, environment, started);
    RETURN_IF_ERROR(started);
    if (const absl::Status ready = AwaitWorkers(data, environment); !ready.ok()) {
      StopDaemons(data).IgnoreError();
      return ready;
    }
    PrintDaemons("up", data, FindDaemons(data), options.output, environment.out);
    return ExitCode::kOk;
  }

 private:
  static absl::StatusOr<ExitCode> SayAlreadyUp(const DataFolder& data, const GlobalOptions& options,
                                               Environment& environment, const absl::Status& started) {
    const std::vector<Daemon> daemons = FindDaemons(data);
    if (daemons.empty()) {
      return absl::FailedPreconditionError(
          absl::StrCat(started.message(), ", which another command started for itself; wait until that has ended"));
    }
    PrintDaemons("already up", data, daemons, options.output, environment.out);
    return ExitCode::kOk;
  }

  absl::Status AwaitWorkers(const DataFolder& data, Environment& environment) const {
    const absl::Time deadline = absl::Now() + kWorkerStartBound;
    ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection,
                     Connection::Open({.server = "unix:" + data.socket().native()}, environment));
    while (true) {
      ASSIGN_OR_RETURN(const v1::ListWorkersResponse all, ListAllWorkers(*connection));
      const auto connected = std::count_if(all.workers().begin(), all.workers().end(),
                                           [](const v1::Worker& worker) { return worker.connected(); });
      if (connected >= workers_.workers) return absl::OkStatus();
      // The server is one of them.
      if (static_cast<int>(FindDaemons(data).size()) < workers_.workers + 1) {
        const std::filesystem::path log = data.log_folder() / "worker-1.log";
        return absl::FailedPreconditionError(
            absl::StrCat("a worker ended while it started; the log ", log.native(), " ends: ", LogTail(log)));
      }
      if (absl::Now() >= deadline) return absl::DeadlineExceededError("the workers do not connect; look at their logs");
      if (environment.interrupt.AwaitFor(kBetweenLooks)) return absl::CancelledError("interrupted");
    }
  }

  WorkerOptions workers_;
};

}  // namespace

std::unique_ptr<Command> NewUpCommand() { return std::make_unique<UpCommand>(); }

}  // namespace dmfrag::client
