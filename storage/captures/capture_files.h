#ifndef DMFRAG_STORAGE_CAPTURES_CAPTURE_FILES_H_
#define DMFRAG_STORAGE_CAPTURES_CAPTURE_FILES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dmfrag::storage {

// The files of captures, in a folder beside the database: `<sha256>` is a complete one, `<sha256>.partial` an upload
// that has not ended. Every `sha256` argument is 64 lower-case hex digits, else kInvalidArgument. Thread-safe; a call
// that finds another one writing the same capture is refused with kAborted.
class CaptureFiles {
 public:
  static constexpr int64_t kMaxCaptureBytes = int64_t{4} << 30;

  // `folder`, made with mode 0700 if there is none: "<database>.captures". Errors: of the file system.
  static absl::StatusOr<std::unique_ptr<CaptureFiles>> Open(const std::string& folder);

  // Bytes held of the capture; `complete` if that is all of it and durable.
  struct Progress {
    int64_t committed_bytes = 0;
    bool complete = false;
  };
  absl::StatusOr<Progress> GetProgress(const std::string& sha256) const;

  // Adds `data` at `offset_bytes` of a capture of `size_bytes`, and returns how many bytes are held then. A complete
  // capture takes anything and stays as it is.
  //   kInvalidArgument: the offset is not where the file ends, or the data reach beyond size_bytes. Nothing was
  //   written. kResourceExhausted: size_bytes is above the limit, or the disk is full.
  absl::StatusOr<int64_t> Append(const std::string& sha256, int64_t size_bytes, int64_t offset_bytes,
                                 std::string_view data);

  // Makes the capture complete: syncs it, checks its digest, gives it its name, syncs the folder. Again: no error.
  //   kInvalidArgument: bytes are missing; ask GetProgress and go on.
  //   kDataLoss: the content is not what the name says; what was there is discarded.
  absl::Status Finish(const std::string& sha256, int64_t size_bytes);

  // At most `count` bytes of a complete capture; fewer at its end, none exactly there.
  //   kNotFound: no such capture, or not complete. kOutOfRange: the offset is behind the end.
  absl::StatusOr<std::string> Read(const std::string& sha256, int64_t offset_bytes, size_t count) const;

 private:
  class Claim;  // of the right to write one capture

  explicit CaptureFiles(std::string folder) : folder_(std::move(folder)) {}
  std::string FinalPath(const std::string& sha256) const;
  std::string PartialPath(const std::string& sha256) const;
  absl::Status SyncFolder() const;

  const std::string folder_;
  std::mutex mutex_;
  absl::flat_hash_set<std::string> writing_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dmfrag::storage

#endif  // DMFRAG_STORAGE_CAPTURES_CAPTURE_FILES_H_
