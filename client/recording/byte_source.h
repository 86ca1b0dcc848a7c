#ifndef DMFRAG_CLIENT_RECORDING_BYTE_SOURCE_H_
#define DMFRAG_CLIENT_RECORDING_BYTE_SOURCE_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"

namespace dmfrag::client {

// Bytes of an input in order, decompressed. Memory: the decompressor's window and one buffer. Thread-compatible.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // Fills the front of `buffer`; the number of bytes, 0 at the end alone. Errors: kDataLoss if compressed input was cut
  // off or is damaged, or cannot be read. Bytes before the error were given.
  virtual absl::StatusOr<size_t> Read(std::span<char> buffer) = 0;
};

// A file or pipe: plain, or gzip, xz or zstd by its first bytes, whatever its name. Errors: kNotFound,
// kPermissionDenied; kInvalidArgument if it is a folder, or cannot be opened.
absl::StatusOr<std::unique_ptr<ByteSource>> OpenByteSource(const std::string& path);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_RECORDING_BYTE_SOURCE_H_
