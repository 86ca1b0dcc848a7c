#ifndef DMFRAG_CLIENT_CAPTURE_SYSTEM_FILES_H_
#define DMFRAG_CLIENT_CAPTURE_SYSTEM_FILES_H_

#include <filesystem>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dmfrag::client {

// Files of /proc and /sys, below a root folder: "/" but for tests. Immutable.
class SystemFiles {
 public:
  explicit SystemFiles(std::filesystem::path root) : root_(std::move(root)) {}

  // Where `path`, which starts with '/', lies.
  std::filesystem::path At(std::string_view path) const { return root_ / path.substr(1); }

  // What `path` holds; sizes that stat() gives are not believed. Errors: kPermissionDenied, kNotFound, kUnavailable;
  // the text is a reason and a remedy without the path.
  absl::StatusOr<std::string> Read(std::string_view path) const;

 private:
  std::filesystem::path root_;
};

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_CAPTURE_SYSTEM_FILES_H_
