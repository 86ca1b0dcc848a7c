#include "worker/workload/standard_variates.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "gtest/gtest.h"
#include "worker/workload/normal_table.h"

namespace dmfrag::workload {
namespace {

double UpperTail(double z) { return std::erfc(z / std::sqrt(2.0)) / 2; }

TEST(NormalTableTest, EachKnotHasItsTail) {
  for (size_t i = 0; i < kNormalQuantiles.size(); ++i) {
    const double tail = std::ldexp(1 - static_cast<double>(i % 64) / 128, -static_cast<int>(i / 64) - 1);
    const double z = std::ldexp(kNormalQuantiles[i], -28);
    // z is right to half a unit of 2^-28; the tail's logarithm changes by at most z + 1 times that.
    EXPECT_NEAR(UpperTail(z) / tail, 1, (z + 1) * std::ldexp(1, -28)) << i;
  }
}

TEST(NormalTableTest, InterpolationStaysWithinTwoHundredThousandths) {
  double worst = 0;
  for (size_t i = 0; i + 1 < kNormalQuantiles.size(); ++i) {
    // Middle of a step: by how much the interpolated z misses, from its tail's distance.
    const double tail = std::ldexp(1 - (static_cast<double>(i % 64) + 0.5) / 128, -static_cast<int>(i / 64) - 1);
    const double z = std::ldexp(static_cast<double>(kNormalQuantiles[i]) + kNormalQuantiles[i + 1], -29);
    const double density = std::exp(-z * z / 2) / std::sqrt(2 * M_PI);
    worst = std::max(worst, std::abs(UpperTail(z) - tail) / density);
  }
  EXPECT_LT(worst, 2e-5);
}

TEST(StandardNormalTest, BothSignsAreEquallyLikely) {
  Random random(1);
  int negative = 0;
  for (int i = 0; i < 100000; ++i) negative += StandardNormal(random) < 0;
  EXPECT_NEAR(negative, 50000, 4 * std::sqrt(25000));
}

TEST(StandardNormalTest, TailsReachAsFarAsTheyShould) {
  constexpr int kDraws = 4000000;
  Random random(2);
  int beyond_four = 0;
  for (int i = 0; i < kDraws; ++i) beyond_four += std::abs(StandardNormal(random)) > int64_t{4} << kNormalFractionBits;
  const double expected = kDraws * 2 * UpperTail(4);
  EXPECT_NEAR(beyond_four, expected, 4 * std::sqrt(expected));
}

}  // namespace
}  // namespace dmfrag::workload
