#include "client/connection/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"

// glibc 2.36 declares its functions without extern "C".
extern "C" {
#include <sys/pidfd.h>
}

extern char** environ;

namespace dmfrag::client {
namespace {

// Fields of /proc/PID/stat, counted from the state, which follows the program's name.
constexpr int kFieldsFromStateToStartTime = 19;
// How long a killed or a private process may take.
constexpr absl::Duration kStopBound = absl::Seconds(10);

// Waits until the process has ended, up to `bound`. True if it has.
bool AwaitEnd(int pidfd, absl::Duration bound) {
  const absl::Time deadline = absl::Now() + bound;
  while (true) {
    const int64_t left = std::max<int64_t>(0, absl::ToInt64Milliseconds(deadline - absl::Now()));
    pollfd event = {.fd = pidfd, .events = POLLIN, .revents = 0};
    const int ready = poll(&event, 1, static_cast<int>(left));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

// Where a child's descriptors come from, and what it does not inherit.
class SpawnSetup {
 public:
  SpawnSetup(const StartOptions& options, int stdin_fd) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    if (stdin_fd >= 0) {
      posix_spawn_file_actions_adddup2(&actions_, stdin_fd, STDIN_FILENO);
    } else {
      posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    }
    posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, options.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                     0600);
    posix_spawn_file_actions_adddup2(&actions_, STDOUT_FILENO, STDERR_FILENO);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setpgroup(&attributes_, 0);
    const short group = options.daemon ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP;
    posix_spawnattr_setflags(&attributes_, static_cast<short>(POSIX_SPAWN_SETSIGMASK | group));
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }

  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

}  // namespace

std::optional<ProcessIdentity> FindProcess(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  // The name stands in brackets and may hold anything.
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(line.substr(name_end + 1));
  std::string state, field;
  fields >> state;
  if (state == "Z" || state == "X") return std::nullopt;
  for (int i = 1; i < kFieldsFromStateToStartTime; ++i) fields >> field;
  uint64_t start_ticks = 0;
  if (!(fields >> start_ticks)) return std::nullopt;
  return ProcessIdentity{.pid = pid, .start_ticks = start_ticks};
}

absl::Status StopProcess(const ProcessIdentity& process, absl::Duration bound) {
  // The descriptor holds on to the process, so that its id cannot pass to another between the check and the signal.
  const int pidfd = pidfd_open(process.pid, 0);
  if (pidfd < 0) return absl::OkStatus();
  absl::Status status;
  if (FindProcess(process.pid) == process) {
    if (pidfd_send_signal(pidfd, SIGTERM, nullptr, 0) != 0 && errno != ESRCH) {
      status = absl::PermissionDeniedError(absl::StrCat("process ", process.pid, ": ", std::strerror(errno)));
    } else if (!AwaitEnd(pidfd, bound)) {
      status = absl::DeadlineExceededError(absl::StrCat(
          "process ", process.pid, " still runs ", absl::FormatDuration(bound), " after SIGTERM; look at its log"));
    }
  }
  close(pidfd);
  return status;
}

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(const StartOptions& options) {
  int pipe_fds[2] = {-1, -1};
  if (!options.daemon && pipe2(pipe_fds, O_CLOEXEC) != 0) {
    return absl::FailedPreconditionError(absl::StrCat("making a pipe: ", std::strerror(errno)));
  }
  const SpawnSetup setup(options, pipe_fds[0]);
  std::vector<std::string> words = {options.program.native()};
  words.insert(words.end(), options.arguments.begin(), options.arguments.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t pid = 0;
  const int error =
      posix_spawn(&pid, options.program.c_str(), setup.actions(), setup.attributes(), arguments.data(), environ);
  if (pipe_fds[0] >= 0) close(pipe_fds[0]);
  if (error != 0) {
    if (pipe_fds[1] >= 0) close(pipe_fds[1]);
    return absl::FailedPreconditionError(
        absl::StrCat("starting ", options.program.native(), ": ", std::strerror(error)));
  }
  const ProcessIdentity identity = FindProcess(pid).value_or(ProcessIdentity{.pid = pid});
  return std::unique_ptr<ChildProcess>(new ChildProcess(identity, pipe_fds[1], options.daemon));
}

ChildProcess::~ChildProcess() {
  if (daemon_) return;
  Stop(kStopBound);
}

bool ChildProcess::HasEnded() {
  if (!reaped_) reaped_ = waitpid(identity_.pid, nullptr, WNOHANG) == identity_.pid;
  return reaped_;
}

bool ChildProcess::Stop(absl::Duration bound) {
  if (stdin_pipe_ >= 0) close(stdin_pipe_);
  stdin_pipe_ = -1;
  if (HasEnded()) return true;
  const int pidfd = pidfd_open(identity_.pid, 0);
  kill(identity_.pid, SIGTERM);
  const bool ended = AwaitEnd(pidfd, bound);
  if (!ended) kill(identity_.pid, SIGKILL);
  close(pidfd);
  waitpid(identity_.pid, nullptr, 0);
  reaped_ = true;
  return ended;
}

}  // namespace dmfrag::client
