#ifndef DMFRAG_CLIENT_CONNECTION_PROCESS_H_
#define DMFRAG_CLIENT_CONNECTION_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace dmfrag::client {

// A process, told apart from a later one with the same id by the time it started.
struct ProcessIdentity {
  pid_t pid = 0;
  // Clock ticks since boot (/proc/PID/stat, field 22).
  uint64_t start_ticks = 0;

  bool operator==(const ProcessIdentity&) const = default;
};

// The process that has this id now; absent if there is none, or it has ended and only waits for its parent.
std::optional<ProcessIdentity> FindProcess(pid_t pid);

// Sends SIGTERM and waits until the process has ended. Not running any more: OK.
// Errors: DEADLINE_EXCEEDED if it still runs after `bound`; PERMISSION_DENIED if it is not ours.
absl::Status StopProcess(const ProcessIdentity& process, absl::Duration bound);

// What to start and how.
struct StartOptions {
  std::filesystem::path program;
  // Without the program itself.
  std::vector<std::string> arguments;
  // Standard output and error are appended to it.
  std::filesystem::path log_file;
  // True: a session of its own, standard input empty; it outlives this program. False: a process group of its own
  // (Ctrl-C on the terminal does not reach it), and a pipe as standard input that closes when this program ends,
  // however it ends.
  bool daemon = false;
};

// A process that this one started. Movable through its pointer; thread-compatible.
class ChildProcess {
 public:
  // Starts it, without a shell, with an empty signal mask. Errors: FAILED_PRECONDITION.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(const StartOptions& options);

  // Not a daemon: stops it.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  ProcessIdentity identity() const { return identity_; }

  // It has ended, and no wait is needed to say so.
  bool HasEnded();

  // Closes its standard input, sends SIGTERM, waits up to `bound`, then kills it. True if it ended by itself.
  bool Stop(absl::Duration bound);

 private:
  ChildProcess(ProcessIdentity identity, int stdin_pipe, bool daemon)
      : identity_(identity), stdin_pipe_(stdin_pipe), daemon_(daemon) {}

  ProcessIdentity identity_;
  int stdin_pipe_;
  bool daemon_;
  bool reaped_ = false;
};

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_CONNECTION_PROCESS_H_
