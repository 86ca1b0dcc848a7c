#ifndef DMFRAG_WORKER_CONVERT_CAPTURE_SOURCE_H_
#define DMFRAG_WORKER_CONVERT_CAPTURE_SOURCE_H_

#include <string>

#include "absl/status/statusor.h"

namespace dmfrag::convert {

// Where jobs get the captures they name.
class CaptureSource {
 public:
  virtual ~CaptureSource() = default;

  // The bytes of the capture with this SHA-256 (64 lower-case hex digits), checked against it or not: ReadChecked
  // checks. Errors: kNotFound if there is no such capture; what reading meets otherwise.
  virtual absl::StatusOr<std::string> ReadCapture(const std::string& sha256_hex) const = 0;
};

// The same, checked. Errors: as ReadCapture; kDataLoss if the bytes are not what the name says.
absl::StatusOr<std::string> ReadChecked(const CaptureSource& captures, const std::string& sha256_hex);

// Captures as files of a directory, each named by its digest. Thread-safe.
class CaptureDirectory final : public CaptureSource {
 public:
  // `directory` may be empty: then there are no captures.
  explicit CaptureDirectory(std::string directory) : directory_(std::move(directory)) {}
  absl::StatusOr<std::string> ReadCapture(const std::string& sha256_hex) const override;

 private:
  std::string directory_;
};

}  // namespace dmfrag::convert

#endif  // DMFRAG_WORKER_CONVERT_CAPTURE_SOURCE_H_
