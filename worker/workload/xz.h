#ifndef DMFRAG_WORKER_WORKLOAD_XZ_H_
#define DMFRAG_WORKER_WORKLOAD_XZ_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dmfrag::workload {

// The content of an .xz file. Errors: kInvalidArgument if it is no such file, is truncated or damaged, or holds more
// than `max_bytes`; the text says which. Thread-safe.
absl::StatusOr<std::string> DecompressXz(std::string_view compressed, size_t max_bytes);

// An .xz file of `content`, with a CRC-64, made fast rather than small (as xz -1). Thread-safe.
std::string CompressXz(std::string_view content);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_XZ_H_
