#include "client/connection/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

// How often a lock that somebody holds is asked for: flock(2) cannot be waited for together with an interrupt.
constexpr absl::Duration kAskAgain = absl::Milliseconds(20);

}  // namespace

absl::StatusOr<std::optional<FileLock>> FileLock::Try(const std::filesystem::path& file, Mode mode) {
  const int fd = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    return absl::FailedPreconditionError(absl::StrCat("opening ", file.native(), ": ", std::strerror(errno)));
  }
  FileLock lock(fd);
  if (flock(fd, (mode == Mode::kShared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0) {
    return std::optional<FileLock>(std::move(lock));
  }
  if (errno == EWOULDBLOCK) return std::optional<FileLock>();
  return absl::FailedPreconditionError(absl::StrCat("locking ", file.native(), ": ", std::strerror(errno)));
}

absl::StatusOr<FileLock> FileLock::Await(const std::filesystem::path& file, Mode mode, absl::Duration bound,
                                         const Interrupt& interrupt) {
  const absl::Time deadline = absl::Now() + bound;
  while (true) {
    ASSIGN_OR_RETURN(std::optional<FileLock> lock, Try(file, mode));
    if (lock.has_value()) return std::move(*lock);
    if (absl::Now() >= deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat("another dmfrag command holds ", file.native(), " since ", absl::FormatDuration(bound)));
    }
    if (interrupt.AwaitFor(kAskAgain)) return absl::CancelledError("interrupted");
  }
}

FileLock::~FileLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace dmfrag::client
