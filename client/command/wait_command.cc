#include <memory>
#include <string>

#include "client/command/names.h"
#include "client/command/progress.h"
#include "client/command/registry.h"
#include "client/command/submission.h"
#include "client/connection/connection.h"
#include "client/sweep/quantity.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

// Waits in silence until an experiment has ended; its exit code says how.
class WaitCommand : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* sub = app.add_subcommand("wait", "Wait until an experiment has ended; exit code 2 if jobs failed");
    sub->add_option("experiment", experiment_, "Its name: 1, e1, experiments/1 or last")
        ->required()
        ->type_name("EXPERIMENT");
    sub->add_option("--timeout", timeout_, "Give up after this time, e.g. 90s or 2h; exit code 5")
        ->type_name("DURATION");
    AddWorkerOptions(*sub, workers_);
    sub->footer("Example:\n  dmfrag wait last --timeout 2h");
    return sub;
  }

  absl::StatusOr<ExitCode> Run(const GlobalOptions& options, Environment& environment) override {
    absl::Duration timeout = absl::InfiniteDuration();
    if (!timeout_.empty()) {
      ASSIGN_OR_RETURN(const uint64_t microseconds, ParseDuration(timeout_));
      timeout = absl::Microseconds(static_cast<int64_t>(microseconds));
    }
    ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection,
                     Connection::Open({.server = options.server, .workers = workers_}, environment));
    ASSIGN_OR_RETURN(const std::string name, ResolveExperiment(*connection, experiment_));
    const absl::StatusOr<v1::Experiment> ended =
        AwaitExperiment(*connection, name, timeout, /*quiet=*/true, environment);
    if (absl::IsCancelled(ended.status())) environment.err << ComeBackText(name, connection->is_private());
    RETURN_IF_ERROR(ended.status());
    PrintSubmission(*ended, /*dry_run=*/false, options.output, environment.out);
    return ExitCodeOfExperiment(*ended);
  }

 private:
  std::string experiment_;
  std::string timeout_;
  WorkerOptions workers_;
};

}  // namespace

std::unique_ptr<Command> NewWaitCommand() { return std::make_unique<WaitCommand>(); }

}  // namespace dmfrag::client
