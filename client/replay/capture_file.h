#ifndef DMFRAG_CLIENT_REPLAY_CAPTURE_FILE_H_
#define DMFRAG_CLIENT_REPLAY_CAPTURE_FILE_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace dmfrag::client {

// A file on this machine that looks like a capture.
struct CaptureFile {
  std::filesystem::path path;
  // SHA-256 of its content, lower-case hex.
  std::string sha256 = {};
  int64_t size_bytes = 0;

  // "captures/{sha256}".
  std::string name() const { return "captures/" + sha256; }

  // Its file name, in printable ASCII: names of files are bytes, those of the protocol are UTF-8.
  std::string display_name() const;
};

// Reads and digests a file. Errors: INVALID_ARGUMENT if it cannot be read, is larger than the protocol's 4 GiB, or is
// neither a recording, nor xz, nor a JSON object by its first bytes. Whether it is a capture is for the worker to say.
absl::StatusOr<CaptureFile> ReadCaptureFile(const std::filesystem::path& path);

// Every regular file below `folder` whose name ends in .json.xz or .json, by path. Errors: INVALID_ARGUMENT if it is no
// folder or cannot be read, or holds no such file.
absl::StatusOr<std::vector<std::filesystem::path>> FindCaptureFiles(const std::filesystem::path& folder);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_REPLAY_CAPTURE_FILE_H_
