#include "worker/workload/distribution.h"

#include <array>
#include <bit>
#include <limits>

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

// Standard exponential, in units of 2^-32.
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

struct Drawer {
  Random& random;
  uint64_t operator()(const Constant& d) const { return d.value; }
  uint64_t operator()(const Uniform& d) const {
    const uint64_t span = d.max - d.min;
    return span == std::numeric_limits<uint64_t>::max() ? random.Next() : d.min + random.Below(span + 1);
  }
  uint64_t operator()(const Exponential& d) const {
    const unsigned __int128 value =
        static_cast<unsigned __int128>(d.mean) * StandardExponential(random) >> kFractionBits;
    constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
    return value > kMax ? kMax : static_cast<uint64_t>(value);
  }
};

}  // namespace

uint64_t Draw(const Distribution& distribution, Random& random) { return std::visit(Drawer{random}, distribution); }

}  // namespace dmfrag::workload
