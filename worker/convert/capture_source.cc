#include "worker/convert/capture_source.h"

#include <fstream>
#include <sstream>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace dmfrag::convert {

absl::StatusOr<std::string> CaptureDirectory::ReadCapture(const std::string& sha256_hex) const {
  if (directory_.empty()) {
    return absl::NotFoundError(
        absl::StrCat("capture ", sha256_hex, ": no directory of captures was given; name one with --captures"));
  }
  const std::string path = absl::StrCat(directory_, "/", sha256_hex);
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  if (!file || !(content << file.rdbuf())) {
    return absl::NotFoundError(
        absl::StrCat("capture ", path, ": cannot be read; put the file there under its SHA-256"));
  }
  return content.str();
}

}  // namespace dmfrag::convert
