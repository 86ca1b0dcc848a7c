#include <memory>
#include <string>

#include "client/command/message_output.h"
#include "client/command/names.h"
#include "client/command/registry.h"
#include "client/connection/connection.h"
#include "client/format/csv.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

// Cancels an experiment; its results so far stay.
class CancelCommand : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* sub = app.add_subcommand("cancel", "Cancel an experiment; the results it has stay");
    sub->add_option("experiment", experiment_, "Its name: 1, e1, experiments/1 or last")
        ->required()
        ->type_name("EXPERIMENT");
    sub->footer("Example:\n  dmfrag cancel last");
    return sub;
  }

  absl::StatusOr<ExitCode> Run(const GlobalOptions& options, Environment& environment) override {
    ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection,
                     Connection::Open({.server = options.server}, environment));
    v1::CancelExperimentRequest request;
    ASSIGN_OR_RETURN(*request.mutable_name(), ResolveExperiment(*connection, experiment_));
    request.set_request_id(NewRequestId());
    ASSIGN_OR_RETURN(
        v1::Experiment cancelled,
        connection->Call(connection->experiments(), &v1::Experiments::StubInterface::CancelExperiment, request));
    Print(std::move(cancelled), options.output, environment.out);
    return ExitCode::kOk;
  }

 private:
  static void Print(v1::Experiment experiment, OutputFormat output, std::ostream& out) {
    const std::string succeeded = std::to_string(experiment.counts().succeeded());
    const std::string cancelled = std::to_string(experiment.counts().cancelled());
    experiment.clear_source_text();
    if (output == OutputFormat::kJson) {
      out << MessageJson(experiment);
    } else if (output == OutputFormat::kCsv) {
      out << CsvRecord({"experiment", "succeeded", "cancelled"})
          << CsvRecord({experiment.name(), succeeded, cancelled});
    } else {
      out << experiment.name() << " is cancelled: " << cancelled << " jobs released, " << succeeded
          << " results kept\n";
    }
  }

  std::string experiment_;
};

}  // namespace

std::unique_ptr<Command> NewCancelCommand() { return std::make_unique<CancelCommand>(); }

}  // namespace dmfrag::client
