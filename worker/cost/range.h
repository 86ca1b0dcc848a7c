#ifndef DMFRAG_WORKER_COST_RANGE_H_
#define DMFRAG_WORKER_COST_RANGE_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

namespace dmfrag::cost {

// Which end of a range. Predictions are made once per end, so that a range of inputs becomes a range of results.
enum class Bound : uint8_t { kLow, kTypical, kHigh };
inline constexpr std::array<Bound, 3> kBounds = {Bound::kLow, Bound::kTypical, Bound::kHigh};

constexpr Bound Opposite(Bound bound) {
  return bound == Bound::kLow ? Bound::kHigh : bound == Bound::kHigh ? Bound::kLow : bound;
}

// Integers that stick at the largest value instead of overflowing: a cost beyond it is absurd, not undefined.
// REQUIRES: arguments >= 0.
constexpr int64_t AddSaturating(int64_t a, int64_t b) {
  int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<int64_t>::max() : sum;
}
constexpr int64_t MultiplySaturating(int64_t a, int64_t b) {
  int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<int64_t>::max() : product;
}
// a * b / c, rounded down, with the product kept whole. REQUIRES: c > 0.
constexpr int64_t MultiplyDivide(int64_t a, int64_t b, int64_t c) {
  const __int128 quotient = static_cast<__int128>(a) * b / c;
  return static_cast<int64_t>(std::min<__int128>(quotient, std::numeric_limits<int64_t>::max()));
}

// A figure that is known within bounds: low <= typical <= high, none negative. A plain value.
struct Range {
  int64_t low = 0;
  int64_t typical = 0;
  int64_t high = 0;

  static constexpr Range Exactly(int64_t value) { return {value, value, value}; }
  constexpr int64_t at(Bound bound) const {
    return bound == Bound::kLow ? low : bound == Bound::kTypical ? typical : high;
  }
  constexpr int64_t& at(Bound bound) { return bound == Bound::kLow ? low : bound == Bound::kTypical ? typical : high; }
  constexpr bool IsOrdered() const { return 0 <= low && low <= typical && typical <= high; }

  constexpr Range& operator+=(const Range& other) {
    for (Bound bound : kBounds) at(bound) = AddSaturating(at(bound), other.at(bound));
    return *this;
  }
  friend constexpr Range operator+(Range a, const Range& b) { return a += b; }
  // REQUIRES: count >= 0.
  friend constexpr Range operator*(const Range& a, int64_t count) {
    return {MultiplySaturating(a.low, count), MultiplySaturating(a.typical, count), MultiplySaturating(a.high, count)};
  }
  // End by end.
  friend constexpr Range operator*(const Range& a, const Range& b) {
    return {MultiplySaturating(a.low, b.low), MultiplySaturating(a.typical, b.typical),
            MultiplySaturating(a.high, b.high)};
  }
  friend constexpr bool operator==(const Range&, const Range&) = default;
};

}  // namespace dmfrag::cost

#endif  // DMFRAG_WORKER_COST_RANGE_H_
