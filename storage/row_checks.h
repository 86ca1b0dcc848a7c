#ifndef DMFRAG_STORAGE_ROW_CHECKS_H_
#define DMFRAG_STORAGE_ROW_CHECKS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/store.h"

// What every store refuses before it writes, so that a store of another kind refuses the same. Errors are
// kInvalidArgument and name what is wrong.
namespace dmfrag::storage {

inline constexpr size_t kDigestBytes = 32;
inline constexpr size_t kMaxTimeSeriesBytes = 64 << 10;
inline constexpr size_t kMaxStderrBytes = 64 << 10;

absl::Status CheckDigest(const Digest& digest);
absl::Status CheckAttemptEnd(const AttemptEnd& end);
// Also refuses unknown fields: they have no column, and the result's digest could not be had again.
absl::Status CheckResult(const ResultRow& row);
absl::Status CheckJobState(v1::JobState state);

// The digest in "captures/{64 lower-case hex digits}".
absl::StatusOr<Digest> CaptureDigest(const std::string& name);

}  // namespace dmfrag::storage

#endif  // DMFRAG_STORAGE_ROW_CHECKS_H_
