#ifndef DMFRAG_CLIENT_COMMAND_REGISTRY_H_
#define DMFRAG_CLIENT_COMMAND_REGISTRY_H_

#include <memory>
#include <vector>

#include "client/command/command.h"

namespace dmfrag::client {

// One function a subcommand, each defined in a file of its own.
std::unique_ptr<Command> NewRunCommand();
std::unique_ptr<Command> NewSubmitCommand();
std::unique_ptr<Command> NewWaitCommand();
std::unique_ptr<Command> NewWatchCommand();
std::unique_ptr<Command> NewCancelCommand();
std::unique_ptr<Command> NewExperimentsCommand();
std::unique_ptr<Command> NewResultsCommand();
std::unique_ptr<Command> NewTimeseriesCommand();
std::unique_ptr<Command> NewReplayCommand();
std::unique_ptr<Command> NewImportCommand();
std::unique_ptr<Command> NewFitCommand();
std::unique_ptr<Command> NewCaptureCommand();
std::unique_ptr<Command> NewInspectCommand();
std::unique_ptr<Command> NewLogsCommand();
std::unique_ptr<Command> NewWorkersCommand();
std::unique_ptr<Command> NewUpCommand();
std::unique_ptr<Command> NewDownCommand();
std::unique_ptr<Command> NewListCommand();
std::unique_ptr<Command> NewVersionCommand();

// All of them, in the order of the help.
std::vector<std::unique_ptr<Command>> AllCommands();

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_COMMAND_REGISTRY_H_
