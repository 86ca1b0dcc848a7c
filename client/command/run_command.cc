#include <memory>

#include "client/command/progress.h"
#include "client/command/registry.h"
#include "client/command/show_results.h"
#include "client/command/submission.h"
#include "client/connection/connection.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

// Submits a sweep, shows its progress, and prints its table.
class RunCommand : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* sub = app.add_subcommand("run", "Submit a sweep, wait for it, and print its table");
    AddSubmissionOptions(*sub, submission_);
    AddWorkerOptions(*sub, workers_);
    sub->footer("Example:\n  dmfrag run examples/quickstart.yaml");
    return sub;
  }

  absl::StatusOr<ExitCode> Run(const GlobalOptions& options, Environment& environment) override {
    ASSIGN_OR_RETURN(const LoadedSweep sweep, LoadSweep(submission_.file));
    const WorkerOptions none = {.workers = 0, .slots = 0};
    ASSIGN_OR_RETURN(
        const std::unique_ptr<Connection> connection,
        Connection::Open({.server = options.server, .workers = submission_.dry_run ? none : workers_}, environment));
    ASSIGN_OR_RETURN(const v1::Experiment submitted, SubmitSweep(*connection, submission_, sweep));
    if (submission_.dry_run) {
      PrintSubmission(submitted, /*dry_run=*/true, options.output, environment.out);
      return ExitCode::kOk;
    }
    const absl::StatusOr<v1::Experiment> ended =
        AwaitExperiment(*connection, submitted.name(), absl::InfiniteDuration(), /*quiet=*/false, environment);
    if (absl::IsCancelled(ended.status())) {
      environment.err << ComeBackText(submitted.name(), connection->is_private());
    }
    RETURN_IF_ERROR(ended.status());
    RETURN_IF_ERROR(ShowAggregates(*connection, submitted.name(), "", options.output, environment));
    return ExitCodeOfExperiment(*ended);
  }

 private:
  SubmissionOptions submission_;
  WorkerOptions workers_;
};

}  // namespace

std::unique_ptr<Command> NewRunCommand() { return std::make_unique<RunCommand>(); }

}  // namespace dmfrag::client
