#include "worker/slot/slot_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/io/zero_copy_stream_impl.h"
#include "google/protobuf/util/delimited_message_util.h"

extern char** environ;

namespace dmfrag::worker {
namespace {

// Half of a pipe's 64 KiB: what is sent ahead never blocks this end, so the child is free to block on its own.
constexpr size_t kMaxBatchBytes = 32 << 10;
constexpr off_t kStderrTailBytes = 64 << 10;

v1::AttemptReport InfraFailure(std::string message) {
  v1::AttemptReport report;
  report.mutable_failure()->set_failure_class(v1::FAILURE_CLASS_INFRA);
  report.mutable_failure()->set_message(std::move(message));
  return report;
}

std::string DescribeEnd(int status) {
  if (WIFSIGNALED(status))
    return absl::StrCat("the slot's process was killed by signal ", WTERMSIG(status), " (", strsignal(WTERMSIG(status)),
                        ")");
  return absl::StrCat("the slot's process ended with exit code ", WEXITSTATUS(status));
}

bool WriteAll(int descriptor, const std::string& bytes) {
  size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t count = write(descriptor, bytes.data() + written, bytes.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    written += static_cast<size_t>(count);
  }
  return true;
}

}  // namespace

SlotProcess::SlotProcess(std::vector<std::string> command) : command_(std::move(command)) {
  stderr_file_ = memfd_create("slot-stderr", MFD_CLOEXEC);
  // Appending, so that truncation between jobs leaves no hole before the child's next write.
  fcntl(stderr_file_, F_SETFL, O_APPEND);
}

SlotProcess::~SlotProcess() {
  if (pid_ != 0) kill(pid_, SIGKILL);
  Stop();
  close(stderr_file_);
}

absl::Status SlotProcess::Start() {
  int in[2];
  int out[2];
  if (pipe2(in, O_CLOEXEC) != 0) return absl::ResourceExhaustedError(absl::StrCat("pipe: ", std::strerror(errno)));
  if (pipe2(out, O_CLOEXEC) != 0) {
    close(in[0]);
    close(in[1]);
    return absl::ResourceExhaustedError(absl::StrCat("pipe: ", std::strerror(errno)));
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, stderr_file_, STDERR_FILENO);
  // The worker blocks SIGTERM for its own wait; the child must not inherit that.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  std::vector<char*> arguments;
  for (const std::string& argument : command_) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, arguments[0], &actions, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  close(in[0]);
  close(out[1]);
  to_child_ = in[1];
  from_child_ = out[0];
  reports_ = std::make_unique<google::protobuf::io::FileInputStream>(from_child_);
  if (error == 0) {
    pid_ = pid;
    return absl::OkStatus();
  }
  Stop();
  return absl::UnavailableError(absl::StrCat("cannot start ", command_[0], ": ", std::strerror(error)));
}

std::string SlotProcess::Stop() {
  reports_.reset();
  if (to_child_ >= 0) close(to_child_);
  if (from_child_ >= 0) close(from_child_);
  to_child_ = from_child_ = -1;
  if (pid_ == 0) return "the slot's process was not running";
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
  return DescribeEnd(status);
}

size_t SlotProcess::SendBatch(const std::vector<v1::JobSpec>& specs, size_t first) {
  std::string bytes;
  size_t next = first;
  while (next < specs.size()) {
    const bool fits = bytes.size() + specs[next].ByteSizeLong() + 10 <= kMaxBatchBytes;
    if (!fits && next > first) break;
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::util::SerializeDelimitedToZeroCopyStream(specs[next], &stream);
    ++next;
  }
  WriteAll(to_child_, bytes);  // a child that died is noticed when its report does not come
  return next;
}

void SlotProcess::Run(const std::vector<v1::JobSpec>& specs,
                      const std::function<void(size_t, v1::AttemptReport)>& done) {
  size_t sent = 0;
  for (size_t i = 0; i < specs.size(); ++i) {
    if (pid_ == 0) {
      sent = i;
      const absl::Status started = Start();
      if (!started.ok()) {
        done(i, InfraFailure(std::string(started.message())));
        continue;
      }
    }
    if (i == sent) sent = SendBatch(specs, i);
    v1::AttemptReport report;
    bool clean_eof = false;
    if (!google::protobuf::util::ParseDelimitedFromZeroCopyStream(&report, reports_.get(), &clean_eof)) {
      kill(pid_, SIGKILL);  // it may have closed its output and live on
      report = InfraFailure(Stop());
    }
    report.set_stderr_tail(TakeStderr());
    done(i, std::move(report));
  }
}

std::string SlotProcess::TakeStderr() {
  struct stat info = {};
  if (fstat(stderr_file_, &info) != 0 || info.st_size == 0) return "";
  const off_t start = std::max<off_t>(0, info.st_size - kStderrTailBytes);
  std::string tail(static_cast<size_t>(info.st_size - start), '\0');
  const ssize_t count = pread(stderr_file_, tail.data(), tail.size(), start);
  tail.resize(static_cast<size_t>(std::max<ssize_t>(0, count)));
  if (ftruncate(stderr_file_, 0) != 0) return tail;
  return tail;
}

}  // namespace dmfrag::worker
