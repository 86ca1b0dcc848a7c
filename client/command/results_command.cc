#include <memory>
#include <string>

#include "client/command/names.h"
#include "client/command/registry.h"
#include "client/command/show_results.h"
#include "client/connection/connection.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

// Prints an experiment's results.
class ResultsCommand : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* sub =
        app.add_subcommand("results", "Print an experiment's results: the mean of each point, or every job");
    sub->add_option("experiment", experiment_, "Its name: 1, e1, experiments/1 or last")
        ->required()
        ->type_name("EXPERIMENT");
    sub->add_option("--filter", filter_, "Comparisons joined by AND, e.g. 'splits_2m > 10 AND replicate = 0'")
        ->type_name("FILTER");
    sub->add_flag("--raw", raw_, "One row per job, with seeds, digests and every metric (csv, json)");
    sub->footer("Example:\n  dmfrag results last --raw -o csv");
    return sub;
  }

  absl::StatusOr<ExitCode> Run(const GlobalOptions& options, Environment& environment) override {
    ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection,
                     Connection::Open({.server = options.server}, environment));
    ASSIGN_OR_RETURN(const std::string name, ResolveExperiment(*connection, experiment_));
    RETURN_IF_ERROR(raw_ ? ShowRaw(*connection, name, filter_, options.output, environment)
                         : ShowAggregates(*connection, name, filter_, options.output, environment));
    return ExitCode::kOk;
  }

 private:
  std::string experiment_;
  std::string filter_;
  bool raw_ = false;
};

}  // namespace

std::unique_ptr<Command> NewResultsCommand() { return std::make_unique<ResultsCommand>(); }

}  // namespace dmfrag::client
