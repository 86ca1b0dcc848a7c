#include <memory>
#include <string>

#include "client/command/names.h"
#include "client/command/progress.h"
#include "client/command/registry.h"
#include "client/command/submission.h"
#include "client/connection/connection.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

// Shows an experiment's progress until it has ended.
class WatchCommand : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* sub = app.add_subcommand("watch", "Show an experiment's progress until it has ended");
    sub->add_option("experiment", experiment_, "Its name: 1, e1, experiments/1 or last")
        ->required()
        ->type_name("EXPERIMENT");
    AddWorkerOptions(*sub, workers_);
    sub->footer("Example:\n  dmfrag watch last");
    return sub;
  }

  absl::StatusOr<ExitCode> Run(const GlobalOptions& options, Environment& environment) override {
    ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection,
                     Connection::Open({.server = options.server, .workers = workers_}, environment));
    ASSIGN_OR_RETURN(const std::string name, ResolveExperiment(*connection, experiment_));
    const absl::StatusOr<v1::Experiment> ended =
        AwaitExperiment(*connection, name, absl::InfiniteDuration(), /*quiet=*/false, environment);
    if (absl::IsCancelled(ended.status())) environment.err << ComeBackText(name, connection->is_private());
    RETURN_IF_ERROR(ended.status());
    return ExitCodeOfExperiment(*ended);
  }

 private:
  std::string experiment_;
  WorkerOptions workers_;
};

}  // namespace

std::unique_ptr<Command> NewWatchCommand() { return std::make_unique<WatchCommand>(); }

}  // namespace dmfrag::client
