#include "client/connection/program_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace dmfrag::client {
namespace {

namespace fs = std::filesystem;

bool IsExecutable(const fs::path& file) {
  struct stat status;
  return stat(file.c_str(), &status) == 0 && S_ISREG(status.st_mode) && access(file.c_str(), X_OK) == 0;
}

}  // namespace

const char* ProgramName(Program program) { return program == Program::kServer ? "dmfrag-server" : "dmfrag-worker"; }

absl::StatusOr<fs::path> FindProgram(Program program, const fs::path& client, const Environment& environment) {
  const bool server = program == Program::kServer;
  const char* variable = server ? "DMFRAG_SERVER_PROGRAM" : "DMFRAG_WORKER_PROGRAM";
  const char* name = ProgramName(program);
  if (const auto named = environment.variable(variable)) {
    if (IsExecutable(*named)) return fs::path(*named);
    return absl::FailedPreconditionError(
        absl::StrCat(variable, " is ", *named, ", which is no program; mend or unset it"));
  }
  std::vector<fs::path> places = {client.parent_path() / name,
                                  client.parent_path().parent_path() / (server ? "server" : "worker") / name};
  const std::vector<std::string> path =
      absl::StrSplit(environment.variable("PATH").value_or(""), ':', absl::SkipEmpty());
  for (const std::string& folder : path) places.push_back(fs::path(folder) / name);
  for (const fs::path& place : places) {
    if (IsExecutable(place)) return place;
  }
  return absl::FailedPreconditionError(absl::StrCat("the program ", name, " is neither at ", places[0].native(),
                                                    " nor at ", places[1].native(),
                                                    " nor in PATH; install it, or name it in ", variable));
}

fs::path OwnProgram() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error);
}

}  // namespace dmfrag::client
