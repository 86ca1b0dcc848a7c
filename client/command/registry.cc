#include "client/command/registry.h"

namespace dmfrag::client {

std::vector<std::unique_ptr<Command>> AllCommands() {
  std::vector<std::unique_ptr<Command>> commands;
  for (const auto make : {NewRunCommand, NewSubmitCommand, NewWaitCommand, NewWatchCommand, NewCancelCommand,
                          NewExperimentsCommand, NewResultsCommand, NewTimeseriesCommand, NewReplayCommand,
                          NewImportCommand, NewCaptureCommand, NewInspectCommand, NewFitCommand, NewLogsCommand,
                          NewWorkersCommand, NewListCommand, NewUpCommand, NewDownCommand, NewVersionCommand}) {
    commands.push_back(make());
  }
  return commands;
}

}  // namespace dmfrag::client
