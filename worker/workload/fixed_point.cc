#include "worker/workload/fixed_point.h"

#include <array>
#include <bit>
#include <cstddef>
#include <limits>

namespace dmfrag::workload {
namespace {

using Wide = unsigned __int128;

constexpr unsigned kFractionBits = 32;
constexpr unsigned kTableBits = 8;
constexpr size_t kKnots = (size_t{1} << kTableBits) + 1;

// 2^(i/256) by the power series of exp, in 60 fractional bits. i <= 256.
constexpr uint64_t PowerOfTwo(uint64_t i) {
  constexpr unsigned kSeriesBits = 60;
  constexpr Wide kLn2 = 799144290325165978;  // in 60 fractional bits
  const Wide x = kLn2 * i >> kTableBits;
  Wide term = Wide{1} << kSeriesBits;
  Wide sum = 0;
  for (unsigned n = 1; term != 0; ++n) {
    sum += term;
    term = (term * x >> kSeriesBits) / n;
  }
  constexpr unsigned kDropped = kSeriesBits - kFractionBits;
  return static_cast<uint64_t>((sum + (Wide{1} << (kDropped - 1))) >> kDropped);
}

constexpr std::array<uint64_t, kKnots> MakeTable() {
  std::array<uint64_t, kKnots> table = {};
  for (size_t i = 0; i < kKnots; ++i) table[i] = PowerOfTwo(i);
  return table;
}

constexpr std::array<uint64_t, kKnots> kPowers = MakeTable();
static_assert(kPowers[0] == uint64_t{1} << kFractionBits && kPowers[kKnots - 1] == uint64_t{2} << kFractionBits);

}  // namespace

uint64_t TimesPowerOfTwo(uint64_t value, int64_t exponent_q32) {
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  const int64_t whole = exponent_q32 >> kFractionBits;  // rounded down
  if (value == 0 || whole < -65) return 0;
  if (whole >= 64) return kMax;
  const auto fraction = static_cast<uint32_t>(exponent_q32);
  const size_t knot = fraction >> (kFractionBits - kTableBits);
  const uint64_t within = static_cast<uint32_t>(fraction << kTableBits);
  const uint64_t power = kPowers[knot] + ((kPowers[knot + 1] - kPowers[knot]) * within >> kFractionBits);
  const Wide product = static_cast<Wide>(value) * power;  // below 2^97
  const int shift = static_cast<int>(kFractionBits) - static_cast<int>(whole);
  if (shift <= 0) {
    const Wide shifted = product << -shift;  // below 2^(97+31)
    return shifted > kMax ? kMax : static_cast<uint64_t>(shifted);
  }
  const Wide rounded = (product + (Wide{1} << (shift - 1))) >> shift;
  return rounded > kMax ? kMax : static_cast<uint64_t>(rounded);
}

// Bit by bit: squaring a number doubles its logarithm.
uint64_t Log2Q32(uint64_t value) {
  const auto whole = static_cast<unsigned>(std::bit_width(value) - 1);
  uint64_t mantissa = value << (63 - whole);  // of [1, 2), in 63 fractional bits
  uint64_t result = whole;
  for (unsigned bit = 0; bit < kFractionBits; ++bit) {
    const Wide square = static_cast<Wide>(mantissa) * mantissa;  // in 126 fractional bits
    const bool carry = (square >> 127) != 0;
    mantissa = static_cast<uint64_t>(square >> (carry ? 64 : 63));
    result = result << 1 | (carry ? 1 : 0);
  }
  return result;
}

}  // namespace dmfrag::workload
