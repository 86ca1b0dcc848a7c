#ifndef DMFRAG_CLIENT_CONNECTION_FILE_LOCK_H_
#define DMFRAG_CLIENT_CONNECTION_FILE_LOCK_H_

#include <filesystem>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/environment/interrupt.h"

namespace dmfrag::client {

// flock(2) on a file between the commands of one user; given back when destroyed, or when the process ends. Movable.
class FileLock {
 public:
  enum class Mode { kShared, kExclusive };

  // Takes the lock if nobody holds it otherwise; absent if somebody does. Errors: FAILED_PRECONDITION.
  static absl::StatusOr<std::optional<FileLock>> Try(const std::filesystem::path& file, Mode mode);

  // Waits for it. Errors: DEADLINE_EXCEEDED after `bound`; CANCELLED when interrupted.
  static absl::StatusOr<FileLock> Await(const std::filesystem::path& file, Mode mode, absl::Duration bound,
                                        const Interrupt& interrupt);

  FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileLock& operator=(FileLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}

  int fd_;
};

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_CONNECTION_FILE_LOCK_H_
