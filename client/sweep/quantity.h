#ifndef DMFRAG_CLIENT_SWEEP_QUANTITY_H_
#define DMFRAG_CLIENT_SWEEP_QUANTITY_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dmfrag::client {

// How the integers of a field are written.
enum class Unit {
  // Plain integers: counts, pages, per mille.
  kNone,
  // "4GiB": fields named *_bytes.
  kBytes,
  // "20ms": fields named *_us.
  kMicroseconds,
  // "1.5": fields named *_thousandths.
  kThousandths,
};

// Errors of all four: INVALID_ARGUMENT whose text says what is wrong and what is allowed, without a place.

// "4GiB" -> 4294967296. Units B, KiB, MiB, GiB, TiB; a lone 0 needs none.
absl::StatusOr<uint64_t> ParseSize(std::string_view text);

// "20ms" -> 20000 microseconds. Units us, ms, s, m, h, d; a lone 0 needs none.
absl::StatusOr<uint64_t> ParseDuration(std::string_view text);

// Decimal, or hexadecimal behind 0x.
absl::StatusOr<uint64_t> ParseCount(std::string_view text);

// "1.5" -> 1500: a decimal number with at most three digits behind the point.
absl::StatusOr<uint64_t> ParseThousandths(std::string_view text);

// The largest unit that divides `bytes`: "4 GiB".
std::string FormatSize(uint64_t bytes);

// The largest unit that divides `microseconds`: "20 ms".
std::string FormatDuration(uint64_t microseconds);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_SWEEP_QUANTITY_H_
