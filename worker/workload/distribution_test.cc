#include "worker/workload/distribution.h"

#include <array>
#include <cmath>
#include <limits>

#include "gtest/gtest.h"

namespace dmfrag::workload {
namespace {

TEST(DistributionTest, ConstantTakesNoDraw) {
  Random random(1);
  EXPECT_EQ(Draw(Constant{42}, random), 42);
  EXPECT_EQ(random.Next(), Random(1).Next());
}

TEST(DistributionTest, UniformIncludesBothEnds) {
  Random random(2);
  std::array<int, 4> hits = {};
  for (int i = 0; i < 4000; ++i) ++hits.at(Draw(Uniform{5, 8}, random) - 5);
  for (int count : hits) EXPECT_NEAR(count, 1000, 120);
  EXPECT_EQ(Draw(Uniform{9, 9}, random), 9);
  Draw(Uniform{0, std::numeric_limits<uint64_t>::max()}, random);
}

TEST(DistributionTest, ExponentialHasTheRightMomentsAndTail) {
  constexpr int kDraws = 200000;
  constexpr double kMean = 1000000;
  Random random(3);
  double sum = 0;
  double squares = 0;
  std::array<int, 8> above = {};  // draws above k means
  for (int i = 0; i < kDraws; ++i) {
    const auto value = static_cast<double>(Draw(Exponential{1000000}, random));
    sum += value;
    squares += value * value;
    for (size_t k = 0; k < above.size() && value >= kMean * static_cast<double>(k); ++k) ++above[k];
  }
  EXPECT_NEAR(sum / kDraws, kMean, 4 * kMean / std::sqrt(kDraws));
  EXPECT_NEAR(squares / kDraws, 2 * kMean * kMean, 0.04 * kMean * kMean);
  for (size_t k = 0; k < above.size(); ++k) {
    const double expected = kDraws * std::exp(-static_cast<double>(k));
    EXPECT_NEAR(above[k], expected, 4 * std::sqrt(expected) + 1) << k;
  }
}

TEST(DistributionTest, ExponentialQuantilesAreSmooth) {
  // Chi-square over 64 equally likely bins, whose edges the test computes by another way.
  constexpr int kDraws = 64000;
  constexpr uint64_t kMean = uint64_t{1} << 40;
  std::array<int, 64> bins = {};
  Random random(4);
  for (int i = 0; i < kDraws; ++i) {
    const double x = static_cast<double>(Draw(Exponential{kMean}, random)) / static_cast<double>(kMean);
    ++bins.at(static_cast<size_t>((1 - std::exp(-x)) * 64));
  }
  double chi_square = 0;
  for (int count : bins) chi_square += (count - 1000.0) * (count - 1000.0) / 1000.0;
  EXPECT_LT(chi_square, 103.4);  // 63 degrees of freedom, once in a thousand
}

TEST(DistributionTest, HugeMeansDoNotOverflow) {
  Random random(5);
  const Distribution huge = Exponential{std::numeric_limits<uint64_t>::max()};
  bool saturated = false;
  for (int i = 0; i < 100; ++i) saturated |= Draw(huge, random) == std::numeric_limits<uint64_t>::max();
  EXPECT_TRUE(saturated);
}

}  // namespace
}  // namespace dmfrag::workload
