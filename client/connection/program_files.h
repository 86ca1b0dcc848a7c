#ifndef DMFRAG_CLIENT_CONNECTION_PROGRAM_FILES_H_
#define DMFRAG_CLIENT_CONNECTION_PROGRAM_FILES_H_

#include <filesystem>

#include "absl/status/statusor.h"
#include "client/environment/environment.h"

namespace dmfrag::client {

// The programs the client starts.
enum class Program { kServer, kWorker };

// "dmfrag-server" or "dmfrag-worker".
const char* ProgramName(Program program);

// Finds a program: DMFRAG_SERVER_PROGRAM or DMFRAG_WORKER_PROGRAM; else beside `client` (this program's own file); else
// in
// ../server or ../worker beside it, where Bazel puts it; else in PATH.
// Errors: FAILED_PRECONDITION with every place that was looked at.
absl::StatusOr<std::filesystem::path> FindProgram(Program program, const std::filesystem::path& client,
                                                  const Environment& environment);

// This program's own file.
std::filesystem::path OwnProgram();

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_CONNECTION_PROGRAM_FILES_H_
