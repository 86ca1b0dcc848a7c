#ifndef DMFRAG_PROTO_SUPPORT_RANGE_CHECK_H_
#define DMFRAG_PROTO_SUPPORT_RANGE_CHECK_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace dmfrag {

// kInvalidArgument "path: what".
absl::Status WrongField(const std::string& path, const std::string& what);

// OK if low <= value <= high, else an error that names the path and both ends.
absl::Status CheckRange(const std::string& path, uint64_t value, uint64_t low, uint64_t high);

// The same for numbers in thousandths, which errors show as people write them: "1.5".
absl::Status CheckThousandths(const std::string& path, uint64_t value, uint64_t low, uint64_t high);

// The same for microseconds, which errors show in their largest whole unit: "90s".
absl::Status CheckMicroseconds(const std::string& path, uint64_t value, uint64_t low, uint64_t high);

// The largest unit that divides it, as sweep files have it: 90000000 -> "90s".
std::string FormatMicroseconds(uint64_t microseconds);

// 1500 -> "1.5".
std::string FormatThousandths(uint64_t thousandths);

}  // namespace dmfrag

#endif  // DMFRAG_PROTO_SUPPORT_RANGE_CHECK_H_
