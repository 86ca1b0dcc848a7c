#include "worker/workload/closed_form.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "worker/workload/distribution.h"
#include "worker/workload/random.h"

namespace dmfrag::workload {
namespace {

constexpr uint64_t kNoMax = std::numeric_limits<uint64_t>::max();

struct Case {
  std::string name;
  Distribution distribution;
};

TEST(ClosedFormTest, MeansEqualThoseOfDraws) {
  const std::vector<Case> cases = {
      {"constant", Constant{7}},
      {"uniform", Uniform{1, 64}},
      {"small exponential", Exponential{1}},
      {"exponential", Exponential{20000}},
      {"small lognormal", Lognormal::OfSigma(1, 300, kNoMax)},
      {"lognormal of pages", Lognormal::OfSigma(4, 1200, kNoMax)},
      {"capped lognormal", Lognormal::OfSigma(4, 1200, 16)},
      {"wide lognormal", Lognormal::OfSigma(1000000, 1500, kNoMax)},
      {"lognormal by p99", Lognormal::OfP99(30000, 600000, kNoMax)},
      {"lognormal without spread", Lognormal::OfP99(30, 30, kNoMax)},
      {"lognormal above its cap", Lognormal::OfP99(30, 30, 20)},
      {"pareto", Pareto::OfAlpha(1, 3500, kNoMax)},
      {"pareto of large values", Pareto::OfAlpha(100000, 3500, kNoMax)},
      {"capped pareto", Pareto::OfAlpha(1, 1000, 500)},
      {"capped pareto without a mean of its own", Pareto::OfAlpha(100, 500, 1000000)},
      {"empirical", Empirical::Of({1, 8, 512}, {90, 9, 1})},
  };
  constexpr int kDraws = 1000000;
  for (const Case& tested : cases) {
    Random random(1);
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < kDraws; ++i) {
      const auto value = static_cast<double>(Draw(tested.distribution, random));
      sum += value;
      squares += value * value;
    }
    const double mean = sum / kDraws;
    const double standard_error = std::sqrt(std::max(0.0, squares / kDraws - mean * mean) / kDraws);
    EXPECT_NEAR(mean, Mean(tested.distribution), 4 * standard_error + 1e-9 * mean) << tested.name;
  }
}

TEST(ClosedFormTest, MeansEqualTheTextbooks) {
  EXPECT_NEAR(Mean(Lognormal::OfSigma(1000000, 1200, kNoMax)), 1000000 * std::exp(0.72), 20);
  EXPECT_NEAR(Mean(Pareto::OfAlpha(1000000, 1500, kNoMax)), 3000000, 30);
  EXPECT_NEAR(Mean(Pareto::OfAlpha(1000000, 1000, 10000000)), 1000000 * (1 + std::log(10.0)), 30);
  EXPECT_NEAR(Mean(Exponential{1000}), 999.5, 0.001);  // rounded down
}

}  // namespace
}  // namespace dmfrag::workload
