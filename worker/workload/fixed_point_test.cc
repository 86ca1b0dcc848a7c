#include "worker/workload/fixed_point.h"

#include <cmath>
#include <limits>

#include "gtest/gtest.h"

namespace dmfrag::workload {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
constexpr int64_t kOne = int64_t{1} << 32;

TEST(FixedPointTest, PowersOfTwoEqualTheLibrarys) {
  for (int64_t exponent = -20 * kOne; exponent < 20 * kOne; exponent += 98765432) {
    const double expected = 1e12 * std::exp2(static_cast<double>(exponent) / static_cast<double>(kOne));
    EXPECT_NEAR(static_cast<double>(TimesPowerOfTwo(1000000000000, exponent)), expected, 1e-6 * expected + 0.5)
        << exponent;
  }
}

TEST(FixedPointTest, WholePowersAreExactAndHalvesAreRoundedUp) {
  EXPECT_EQ(TimesPowerOfTwo(5, 0), 5);
  EXPECT_EQ(TimesPowerOfTwo(5, 3 * kOne), 40);
  EXPECT_EQ(TimesPowerOfTwo(40, -3 * kOne), 5);
  EXPECT_EQ(TimesPowerOfTwo(3, -kOne), 2);
  EXPECT_EQ(TimesPowerOfTwo(5, -2 * kOne), 1);
  EXPECT_EQ(TimesPowerOfTwo(1, 40 * kOne), uint64_t{1} << 40);
  EXPECT_EQ(TimesPowerOfTwo(1, 63 * kOne), uint64_t{1} << 63);
}

TEST(FixedPointTest, WhatIsTooLargeStopsAtTheEndAndWhatIsTooSmallIsZero) {
  EXPECT_EQ(TimesPowerOfTwo(1, 64 * kOne), kMax);
  EXPECT_EQ(TimesPowerOfTwo(kMax, 1), kMax);
  EXPECT_EQ(TimesPowerOfTwo(kMax, kOne), kMax);
  EXPECT_EQ(TimesPowerOfTwo(kMax, 63 * kOne + (kOne - 1)), kMax);
  EXPECT_EQ(TimesPowerOfTwo(kMax, std::numeric_limits<int64_t>::max()), kMax);
  EXPECT_EQ(TimesPowerOfTwo(kMax, -64 * kOne), 1);
  EXPECT_EQ(TimesPowerOfTwo(kMax, -66 * kOne), 0);
  EXPECT_EQ(TimesPowerOfTwo(kMax, std::numeric_limits<int64_t>::min()), 0);
  EXPECT_EQ(TimesPowerOfTwo(0, 100 * kOne), 0);
}

TEST(FixedPointTest, LogarithmsEqualTheLibrarys) {
  EXPECT_EQ(Log2Q32(1), 0);
  EXPECT_EQ(Log2Q32(2), uint64_t{1} << 32);
  EXPECT_EQ(Log2Q32(uint64_t{1} << 63), uint64_t{63} << 32);
  for (const uint64_t value : {uint64_t{3}, uint64_t{7}, uint64_t{1000}, uint64_t{999999999}, kMax}) {
    EXPECT_NEAR(static_cast<double>(Log2Q32(value)) / static_cast<double>(kOne), std::log2(static_cast<double>(value)),
                1e-9)
        << value;
  }
  EXPECT_EQ(kLog2EQ32, static_cast<uint64_t>(std::llround(std::log2(std::exp(1.0)) * static_cast<double>(kOne))));
}

}  // namespace
}  // namespace dmfrag::workload
