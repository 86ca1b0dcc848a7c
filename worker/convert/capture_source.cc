#include "worker/convert/capture_source.h"

#include <fstream>
#include <sstream>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "proto/support/sha256.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::convert {

absl::StatusOr<std::string> ReadChecked(const CaptureSource& captures, const std::string& sha256_hex) {
  ASSIGN_OR_RETURN(std::string bytes, captures.ReadCapture(sha256_hex));
  if (ToHex(Sha256(bytes)) == sha256_hex) return bytes;
  return absl::DataLossError(
      absl::StrCat("capture ", sha256_hex, ": its content has another SHA-256; upload it again"));
}

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
