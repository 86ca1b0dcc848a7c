#ifndef DMFRAG_STORAGE_SQLITE_LOCK_FILE_H_
#define DMFRAG_STORAGE_SQLITE_LOCK_FILE_H_

#include <string>

#include "absl/status/statusor.h"

namespace dmfrag::storage::sqlite {

// An exclusive flock on `<db>.lock`, held for the object's life, with the holder's process id as its content. It keeps
// a second server from the same database. The kernel drops it when the process dies, however it dies; the file stays.
class LockFile {
 public:
  // Errors: kFailedPrecondition if another holds it, naming the file and the process; kPermissionDenied or kUnavailable
  // if the file cannot be made.
  static absl::StatusOr<LockFile> Acquire(const std::string& path);

  LockFile(LockFile&& other) noexcept;
  LockFile& operator=(LockFile&& other) = delete;
  ~LockFile();

 private:
  explicit LockFile(int descriptor) : descriptor_(descriptor) {}

  int descriptor_;
};

}  // namespace dmfrag::storage::sqlite

#endif  // DMFRAG_STORAGE_SQLITE_LOCK_FILE_H_
