#include <memory>
#include <vector>

#include "client/command/daemon_output.h"
#include "client/command/registry.h"
#include "client/connection/daemon.h"
#include "client/connection/data_folder.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

// Stops what `up` started.
class DownCommand : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* sub = app.add_subcommand("down", "Stop the server and workers that `dmfrag up` started; the data stay");
    sub->footer("Example:\n  dmfrag down");
    return sub;
  }

  absl::StatusOr<ExitCode> Run(const GlobalOptions& options, Environment& environment) override {
    ASSIGN_OR_RETURN(const DataFolder data, DataFolder::Open(environment));
    const std::vector<Daemon> daemons = FindDaemons(data);
    RETURN_IF_ERROR(StopDaemons(data));
    PrintDaemons(daemons.empty() ? "not up" : "stopped", data, daemons, options.output, environment.out);
    return ExitCode::kOk;
  }
};

}  // namespace

std::unique_ptr<Command> NewDownCommand() { return std::make_unique<DownCommand>(); }

}  // namespace dmfrag::client
