#ifndef DMFRAG_CLIENT_FILES_NEW_FILE_H_
#define DMFRAG_CLIENT_FILES_NEW_FILE_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dmfrag::client {

// A file that is written as NAME.dmfrag-part, and gets its name when it is whole; nothing is left of it otherwise,
// unless the process is killed. What a killed one left can be imported in part, and gives way to the next file of the
// name: who writes holds a lock, which goes with the process. Thread-compatible.
class NewFile {
 public:
  // Errors: kAlreadyExists if there is one and not `force`, or if another process writes it; kInvalidArgument if it
  // cannot be made, or what has the name is no plain file. Each text gives the remedy.
  static absl::StatusOr<std::unique_ptr<NewFile>> Create(const std::filesystem::path& path, bool force);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  // Errors: kResourceExhausted, for example if the disk is full.
  absl::Status Write(std::string_view bytes);
  // Gives it its name. Errors: as Create and Write.
  absl::Status Keep();

  int64_t bytes() const { return bytes_; }

 private:
  NewFile(std::filesystem::path path, bool force, int file);

  std::filesystem::path path_;
  // Empty when nothing has it any more.
  std::filesystem::path temporary_;
  bool force_;
  int file_;
  int64_t bytes_ = 0;
};

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_FILES_NEW_FILE_H_
