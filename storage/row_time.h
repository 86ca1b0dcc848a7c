#ifndef DMFRAG_STORAGE_ROW_TIME_H_
#define DMFRAG_STORAGE_ROW_TIME_H_

#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"

namespace dmfrag::storage {

// Stored times are nanoseconds since 1970, 1678 to 2262; others become the nearest of these.
inline int64_t ToSqlTime(absl::Time time) { return absl::ToUnixNanos(time); }
inline absl::Time FromSqlTime(int64_t nanoseconds) { return absl::FromUnixNanos(nanoseconds); }

inline std::optional<int64_t> ToSqlTime(const std::optional<absl::Time>& time) {
  return time.has_value() ? std::optional(ToSqlTime(*time)) : std::nullopt;
}
inline int64_t ToSqlTime(const google::protobuf::Timestamp& time) {
  return ToSqlTime(absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos()));
}

// The same in a message. Seconds are rounded down, so that the nanoseconds are never negative.
inline google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return timestamp;
}

}  // namespace dmfrag::storage

#endif  // DMFRAG_STORAGE_ROW_TIME_H_
