#include "client/testing/program_run.h"

#include <optional>
#include <sstream>

#include "client/command/dispatch.h"
#include "client/environment/environment.h"

namespace dmfrag::client {

ProgramResult RunIn(ProgramWorld& world, const std::vector<std::string>& arguments) {
  std::ostringstream out, err;
  const auto variable = [&world](const std::string& name) -> std::optional<std::string> {
    const auto found = world.variables.find(name);
    if (found == world.variables.end() || found->second.empty()) return std::nullopt;
    return found->second;
  };
  Environment environment = {.variable = variable,
                             .out = out,
                             .err = err,
                             .style_out = world.style_out,
                             .err_is_terminal = world.err_is_terminal,
                             .interrupt = world.interrupt};
  const ExitCode code = RunProgram(arguments, environment);
  return {.code = code, .out = out.str(), .err = err.str()};
}

}  // namespace dmfrag::client
