#include "worker/workload/standard_variates.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>

#include "worker/workload/normal_table.h"

namespace dmfrag::workload {
namespace {

// A standard exponential variable is k ln 2 + y: k, the number of halvings, is geometric, and y in [0, ln 2) has the
// quantile function -ln(1 - v/2) of a uniform v. The latter is tabulated at 257 points and interpolated; the error
// stays below 2e-6. Fixed point with 32 fractional bits.
constexpr unsigned kFractionBits = 32;
constexpr unsigned kTableBits = 8;
constexpr size_t kKnots = (size_t{1} << kTableBits) + 1;

// -ln(1 - i/512) by its power series, in 60 fractional bits, exact to the last bit kept. i <= 256.
constexpr uint64_t MinusLogOneMinus(uint64_t i) {
  constexpr unsigned kSeriesBits = 60;
  const unsigned __int128 x = static_cast<unsigned __int128>(i) << (kSeriesBits - 9);
  unsigned __int128 power = x;
  unsigned __int128 sum = 0;
  for (unsigned term = 1; power != 0; ++term) {
    sum += power / term;
    power = power * x >> kSeriesBits;
  }
  return static_cast<uint64_t>(sum >> (kSeriesBits - kFractionBits));
}

constexpr std::array<uint64_t, kKnots> MakeTable() {
  std::array<uint64_t, kKnots> table = {};
  for (size_t i = 0; i < kKnots; ++i) table[i] = MinusLogOneMinus(i);
  return table;
}

constexpr std::array<uint64_t, kKnots> kQuantile = MakeTable();
constexpr uint64_t kLn2 = kQuantile[kKnots - 1];

}  // namespace

uint64_t StandardExponential(Random& random) {
  uint64_t halvings = 0;
  uint64_t word = random.Next();
  while (word == 0 && halvings < 640) {  // a generator stuck at 0 must not hang us
    halvings += 64;
    word = random.Next();
  }
  halvings += word == 0 ? 0 : static_cast<uint64_t>(std::countl_zero(word));
  const uint64_t v = random.Next();
  const size_t knot = v >> (64 - kTableBits);
  const uint64_t within = v << kTableBits >> 32;  // position between two knots, 32 bits
  const uint64_t y = kQuantile[knot] + ((kQuantile[knot + 1] - kQuantile[knot]) * within >> 32);
  return halvings * kLn2 + y;
}

// As the exponential: the tail's halvings are geometric, and within one the quantile function is tabulated and
// interpolated. The second word's last bit, which the position does not use, is the sign.
int64_t StandardNormal(Random& random) {
  const auto octave = std::min(static_cast<unsigned>(std::countl_zero(random.Next())), kNormalOctaves - 1);
  const uint64_t v = random.Next();
  const size_t knot = (size_t{octave} << kNormalKnotBits) + (v >> (64 - kNormalKnotBits));
  const uint64_t within = v << kNormalKnotBits >> 32;  // position between two knots, 32 bits
  const uint64_t step = kNormalQuantiles[knot + 1] - kNormalQuantiles[knot];
  const auto magnitude = static_cast<int64_t>(kNormalQuantiles[knot] + (step * within >> 32));
  return (v & 1) == 0 ? magnitude : -magnitude;
}

}  // namespace dmfrag::workload
