#include "worker/workload/distribution.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace dmfrag::workload {
namespace {

constexpr uint64_t kNoMax = std::numeric_limits<uint64_t>::max();

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

struct Reference {
  std::vector<double> probabilities;
  std::vector<double> quantiles;
};

// By shape and parameter in thousandths.
std::map<std::pair<std::string, uint64_t>, Reference> ReadReferences() {
  std::map<std::pair<std::string, uint64_t>, Reference> references;
  std::ifstream file("worker/workload/testdata/distribution_quantiles.txt");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    std::istringstream words(line);
    std::string shape;
    uint64_t parameter = 0;
    double probability = 0;
    double quantile = 0;
    words >> shape >> parameter >> probability >> quantile;
    Reference& reference = references[{shape, parameter}];
    reference.probabilities.push_back(probability);
    reference.quantiles.push_back(quantile);
  }
  return references;
}

Distribution OfScale(uint64_t scale, const std::string& shape, uint64_t parameter) {
  if (shape == "lognormal") return Lognormal::OfSigma(scale, parameter, kNoMax);
  if (shape == "pareto") return Pareto::OfAlpha(scale, parameter, kNoMax);
  return Exponential{scale};
}

TEST(DistributionTest, FrequenciesFollowTheReferenceQuantiles) {
  // Chi-square over the bins between scipy's quantiles.
  constexpr int kDraws = 400000;
  const auto references = ReadReferences();
  ASSERT_EQ(references.size(), 9u);
  for (const auto& [key, reference] : references) {
    SCOPED_TRACE(key.first + " " + std::to_string(key.second));
    const Distribution distribution = OfScale(1000000000, key.first, key.second);
    Random random(6);
    std::vector<int> bins(reference.quantiles.size() + 1);
    for (int i = 0; i < kDraws; ++i) {
      const auto value = static_cast<double>(Draw(distribution, random));
      const auto above = std::upper_bound(reference.quantiles.begin(), reference.quantiles.end(), value);
      ++bins[static_cast<size_t>(above - reference.quantiles.begin())];
    }
    double chi_square = 0;
    double below = 0;
    for (size_t i = 0; i < bins.size(); ++i) {
      const double upto = i < reference.probabilities.size() ? reference.probabilities[i] : 1;
      const double expected = kDraws * (upto - below);
      chi_square += (bins[i] - expected) * (bins[i] - expected) / expected;
      below = upto;
    }
    EXPECT_LT(chi_square, 43.8);  // 19 degrees of freedom, once in a thousand
  }
}

TEST(DistributionTest, LogarithmsOfLognormalDrawsHaveTheNormalsMoments) {
  constexpr int kDraws = 400000;
  const Distribution distribution = Lognormal::OfSigma(uint64_t{1} << 40, 800, kNoMax);
  Random random(7);
  std::array<double, 5> moments = {};
  for (int i = 0; i < kDraws; ++i) {
    const double z = (std::log2(static_cast<double>(Draw(distribution, random))) - 40) * std::log(2.0) / 0.8;
    for (int power = 1; power <= 4; ++power) moments.at(power) += std::pow(z, power) / kDraws;
  }
  const double error = 4 / std::sqrt(kDraws);
  EXPECT_NEAR(moments[1], 0, error);
  EXPECT_NEAR(moments[2], 1, error * std::sqrt(2));
  EXPECT_NEAR(moments[3], 0, error * std::sqrt(15));
  EXPECT_NEAR(moments[4], 3, error * std::sqrt(96));
}

TEST(DistributionTest, LogarithmsOfParetoDrawsHaveTheExponentialsMoments) {
  constexpr int kDraws = 400000;
  const Distribution distribution = Pareto::OfAlpha(1000000, 2500, kNoMax);
  Random random(8);
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const uint64_t value = Draw(distribution, random);
    ASSERT_GE(value, 1000000);
    const double e = 2.5 * std::log(static_cast<double>(value) / 1000000);
    sum += e;
    squares += e * e;
  }
  EXPECT_NEAR(sum / kDraws, 1, 4 / std::sqrt(kDraws));
  EXPECT_NEAR(squares / kDraws, 2, 4 * std::sqrt(20.0 / kDraws));
}

TEST(DistributionTest, LognormalByItsP99HasThatP99) {
  for (const auto& [median, p99] : std::vector<std::pair<uint64_t, uint64_t>>{{1000, 1001}, {4, 400}, {500, 90000}}) {
    constexpr int kDraws = 200000;
    const Distribution distribution = Lognormal::OfP99(median * 1000, p99 * 1000, kNoMax);
    Random random(9);
    int above_median = 0;
    int above_p99 = 0;
    for (int i = 0; i < kDraws; ++i) {
      const uint64_t value = Draw(distribution, random);
      above_median += value > median * 1000;
      above_p99 += value > p99 * 1000;
    }
    EXPECT_NEAR(above_median, kDraws / 2, 4 * std::sqrt(kDraws / 4));
    EXPECT_NEAR(above_p99, kDraws / 100, 4 * std::sqrt(kDraws / 100));
  }
  Random random(10);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Draw(Lognormal::OfP99(77, 77, kNoMax), random), 77);
}

TEST(DistributionTest, EmpiricalDrawsTheValuesByTheirWeights) {
  constexpr int kDraws = 100000;
  const std::vector<uint64_t> values = {0, 3, 4, kNoMax};
  const std::vector<uint64_t> weights = {10, 1, 5, 4};
  const Distribution distribution = Empirical::Of(values, weights);
  Random random(11);
  std::map<uint64_t, int> hits;
  for (int i = 0; i < kDraws; ++i) ++hits[Draw(distribution, random)];
  ASSERT_EQ(hits.size(), values.size());
  double chi_square = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double expected = kDraws * static_cast<double>(weights[i]) / 20;
    chi_square += (hits[values[i]] - expected) * (hits[values[i]] - expected) / expected;
  }
  EXPECT_LT(chi_square, 16.3);  // 3 degrees of freedom, once in a thousand
  EXPECT_EQ(Draw(Empirical::Of({5}, {7}), random), 5);
  EXPECT_EQ(Draw(Empirical::Of({5}, {kNoMax}), random), 5);
}

TEST(DistributionTest, WhatIsAboveTheMaxIsTheMax) {
  Random random(12);
  int capped = 0;
  for (int i = 0; i < 10000; ++i) {
    const uint64_t value = Draw(Pareto::OfAlpha(10, 1000, 20), random);
    ASSERT_GE(value, 10);
    ASSERT_LE(value, 20);
    capped += value == 20;
    ASSERT_LE(Draw(Lognormal::OfSigma(10, 5000, 11), random), 11);
  }
  EXPECT_NEAR(capped, 10000 / 1.95, 4 * std::sqrt(2500));  // P(X >= 19.5) = 10 / 19.5
}

TEST(DistributionTest, ADrawTakesAFixedNumberOfWords) {
  const std::vector<std::pair<Distribution, int>> shapes = {{Constant{1}, 0},
                                                            {Exponential{5}, 2},
                                                            {Lognormal::OfSigma(5, 1000, 9), 2},
                                                            {Pareto::OfAlpha(5, 1500, 9), 2},
                                                            {Empirical::Of({1, 2, 3, 4}, {1, 1, 1, 1}), 1},
                                                            {Uniform{1, 4}, 1}};
  for (const auto& [distribution, words] : shapes) {
    Random drawn(13);
    Random counted(13);
    for (int i = 0; i < 1000; ++i) Draw(distribution, drawn);
    for (int i = 0; i < 1000 * words; ++i) counted.Next();
    EXPECT_EQ(drawn.Next(), counted.Next()) << distribution.index();
  }
}

// A frozen sequence: stored results depend on it.
TEST(DistributionTest, DrawsAreTheSameForEver) {
  Random random(14);
  std::vector<uint64_t> drawn;
  for (const Distribution& distribution :
       {Distribution(Lognormal::OfSigma(1000000, 1200, kNoMax)), Distribution(Lognormal::OfP99(4, 400, kNoMax)),
        Distribution(Pareto::OfAlpha(1000000, 1500, kNoMax)), Distribution(Exponential{1000000}),
        Distribution(Empirical::Of({1, 2, 3}, {3, 2, 1}))}) {
    for (int i = 0; i < 3; ++i) drawn.push_back(Draw(distribution, random));
  }
  EXPECT_EQ(drawn, (std::vector<uint64_t>{2324205, 21585094, 1285072, 5184, 2, 67, 3037516, 1430845, 1386769, 422907,
                                          266857, 372331, 1, 2, 1}));
}

TEST(DistributionTest, HugeParametersOfEveryShapeSaturate) {
  for (const Distribution& distribution :
       {Distribution(Lognormal::OfSigma(kNoMax, 10000, kNoMax)), Distribution(Lognormal::OfP99(1, kNoMax, kNoMax)),
        Distribution(Pareto::OfAlpha(kNoMax, 10, kNoMax)), Distribution(Pareto::OfAlpha(1, 10, kNoMax))}) {
    Random random(15);
    bool saturated = false;
    for (int i = 0; i < 2000; ++i) saturated |= Draw(distribution, random) == kNoMax;
    EXPECT_TRUE(saturated) << distribution.index();
  }
}

}  // namespace
}  // namespace dmfrag::workload
