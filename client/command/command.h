#ifndef DMFRAG_CLIENT_COMMAND_COMMAND_H_
#define DMFRAG_CLIENT_COMMAND_COMMAND_H_

#include <CLI/CLI.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "client/environment/environment.h"

namespace dmfrag::client {

// What the program's exit tells a script. Documented in `dmfrag --help`.
enum class ExitCode {
  kOk = 0,
  // Wrong usage, bad input, and every error without a code of its own.
  kUsage = 1,
  // Some jobs failed or were cancelled.
  kJobsFailed = 2,
  kNotFound = 3,
  // No server, or it went away.
  kConnection = 4,
  kDeadline = 5,
  kAuthorization = 6,
  // A replay differs from its capture, and no limitation explains it.
  kMismatch = 7,
  kInterrupted = 130,
};

// How a command prints its result.
enum class OutputFormat { kTable, kJson, kCsv };

// Flags that every command takes.
struct GlobalOptions {
  // --server; empty if not given.
  std::string server;
  OutputFormat output = OutputFormat::kTable;
};

// One subcommand: declares its arguments once, then runs at most once.
class Command {
 public:
  virtual ~Command() = default;

  // Adds the subcommand and its arguments to `app`, bound to this object, which outlives `app`'s parsing.
  virtual CLI::App* Register(CLI::App& app) = 0;

  // Runs it with the arguments that were parsed. An error is printed by the caller, and decides the exit code.
  virtual absl::StatusOr<ExitCode> Run(const GlobalOptions& options, Environment& environment) = 0;
};

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_COMMAND_COMMAND_H_
