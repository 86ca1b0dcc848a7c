#ifndef DMFRAG_CLIENT_COMMAND_DISPATCH_H_
#define DMFRAG_CLIENT_COMMAND_DISPATCH_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/command/command.h"
#include "client/environment/environment.h"

namespace dmfrag::client {

// The whole program: parses the arguments (without the program's name), runs the command, prints an error as one line
// "dmfrag: ...", and returns the exit code.
ExitCode RunProgram(const std::vector<std::string>& arguments, Environment& environment);

// The exit code of an error.
ExitCode ExitCodeOf(const absl::Status& status);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_COMMAND_DISPATCH_H_
