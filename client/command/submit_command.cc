#include <memory>

#include "client/command/progress.h"
#include "client/command/registry.h"
#include "client/command/submission.h"
#include "client/connection/connection.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

// Submits a sweep and prints its name.
class SubmitCommand : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* sub = app.add_subcommand("submit", "Submit a sweep and print its name");
    AddSubmissionOptions(*sub, submission_);
    sub->add_flag("--wait", wait_, "Wait until it has ended");
    AddWorkerOptions(*sub, workers_);
    sub->footer("Example:\n  dmfrag submit examples/quickstart.yaml --dry-run");
    return sub;
  }

  absl::StatusOr<ExitCode> Run(const GlobalOptions& options, Environment& environment) override {
    ASSIGN_OR_RETURN(const LoadedSweep sweep, LoadSweep(submission_.file));
    const bool wait = wait_ && !submission_.dry_run;
    if (!wait) workers_.workers = 0;
    ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection,
                     Connection::Open({.server = options.server, .workers = workers_}, environment));
    ASSIGN_OR_RETURN(const v1::Experiment submitted, SubmitSweep(*connection, submission_, sweep));
    PrintSubmission(submitted, submission_.dry_run, options.output, environment.out);
    environment.out.flush();
    if (!wait) {
      if (!submission_.dry_run && connection->is_private()) {
        environment.err << "dmfrag: no server of yours is up: the jobs wait in the store; run them with: dmfrag wait "
                        << submitted.name().substr(submitted.name().find('/') + 1) << "\n";
      }
      return ExitCode::kOk;
    }
    const absl::StatusOr<v1::Experiment> ended =
        AwaitExperiment(*connection, submitted.name(), absl::InfiniteDuration(), /*quiet=*/false, environment);
    if (absl::IsCancelled(ended.status())) {
      environment.err << ComeBackText(submitted.name(), connection->is_private());
    }
    RETURN_IF_ERROR(ended.status());
    return ExitCodeOfExperiment(*ended);
  }

 private:
  SubmissionOptions submission_;
  WorkerOptions workers_;
  bool wait_ = false;
};

}  // namespace

std::unique_ptr<Command> NewSubmitCommand() { return std::make_unique<SubmitCommand>(); }

}  // namespace dmfrag::client
