#include "worker/workload/closed_form.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "worker/workload/distribution.h"
#include "worker/workload/mix.h"
#include "worker/workload/operation.h"
#include "worker/workload/random.h"
#include "worker/workload/sim_time.h"

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

// Mean of the live pages of each user between 0 and `end`.
std::vector<double> MeasuredLivePages(const MixConfig& mix, uint64_t seed, SimTime end) {
  struct Tally {
    std::unordered_map<uint64_t, uint64_t> objects;
    double page_us = 0;
  };
  std::vector<Tally> tallies(mix.users.size());
  MixStream stream(mix, Random(seed), end);
  while (const auto operation = stream.Next()) {
    Tally& tally = tallies[operation->user];
    const double left_us = static_cast<double>(end.us() - operation->time.us());
    uint64_t pages = operation->allocations << operation->order.raw();
    if (operation->kind == Operation::Kind::kCreate) {
      tally.objects[operation->object] = pages;
      tally.page_us += static_cast<double>(pages) * left_us;
    } else {
      const auto object = tally.objects.find(operation->object);
      tally.page_us -= static_cast<double>(object->second) * left_us;
      tally.objects.erase(object);
    }
  }
  std::vector<double> means;
  for (const Tally& tally : tallies) means.push_back(tally.page_us / static_cast<double>(end.us()));
  return means;
}

UserConfig Ordinary(const std::string& name, unsigned order, Distribution interval, Distribution size,
                    Distribution lifetime, uint64_t rate_thousandths = 1000) {
  return {name,
          OrdinaryConfig{model::Migratetype::kMovable, model::Order(order), std::move(interval), std::move(size),
                         std::move(lifetime)},
          rate_thousandths};
}

TEST(ClosedFormTest, LivePagesOfALongRunMatchWithinTwoPercent) {
  constexpr uint64_t kSecond = 1000000;
  const MixConfig mix{
      .users = {{"keys", SecretmemConfig{Exponential{20000}, Uniform{1, 64}, Exponential{kSecond}}},
                Ordinary("lognormal", 0, Lognormal::OfSigma(4000, 1000, ~uint64_t{0}),
                         Lognormal::OfP99(8, 100, ~uint64_t{0}), Lognormal::OfSigma(kSecond, 800, 60 * kSecond)),
                Ordinary("pareto", 1, Exponential{5000}, Pareto::OfAlpha(2, 1500, 512),
                         Pareto::OfAlpha(100000, 1200, 20 * kSecond), 2500),
                Ordinary("table", 3, Constant{7000}, Empirical::Of({1, 2, 16}, {80, 15, 5}), Uniform{0, kSecond}),
                Ordinary("steady", 0, Exponential{3000}, Constant{3}, Exponential{kSecond}, 300)},
      .phases = {{.window = {.start_us = 30 * kSecond,
                             .duration_us = 40 * kSecond,
                             .every_us = 100 * kSecond,
                             .rate_thousandths = 200},
                  .rates = {{"steady", 5000}}},
                 {.window = {.start_us = 0, .duration_us = 10 * kSecond, .every_us = 60 * kSecond},
                  .rates = {{"keys", 0}, {"lognormal", 3500}, {"table", 1500}}}}};
  const SimTime end(6000 * kSecond);
  const std::vector<double> measured = MeasuredLivePages(mix, 1, end);
  for (size_t i = 0; i < mix.users.size(); ++i) {
    const double expected = ExpectedLivePages(mix.users[i], mix, end);
    EXPECT_NEAR(measured[i] / expected, 1, 0.02) << mix.users[i].name;
  }
  // And the formula itself, by hand, for one user: (0.4 x 0.2 x 5 + 0.6) / 3 ms x 0.3 x 1 s x 3 pages.
  EXPECT_NEAR(ExpectedLivePages(mix.users[4], mix, end), 300, 0.1);
}

TEST(ClosedFormTest, SurvivalMatchesTheTextbooks) {
  EXPECT_EQ(Survival(Constant{5}, 4), 1);
  EXPECT_EQ(Survival(Constant{5}, 5), 0);
  EXPECT_DOUBLE_EQ(Survival(Uniform{1, 4}, 1), 0.75);
  EXPECT_DOUBLE_EQ(Survival(Uniform{1, 4}, 0), 1);
  EXPECT_NEAR(Survival(Exponential{1000}, 999), std::exp(-1), 1e-12);
  EXPECT_NEAR(Survival(Lognormal::OfSigma(1000, 800, kNoMax), 1000), 0.5, 1e-9);
  EXPECT_EQ(Survival(Lognormal::OfSigma(1000, 800, 5000), 5000), 0);
  EXPECT_NEAR(Survival(Pareto::OfAlpha(100, 1500, kNoMax), 400), 0.125, 1e-6);
  EXPECT_NEAR(Survival(Empirical::Of({1, 2, 16}, {80, 15, 5}), 2), 0.05, 1e-12);
}

// M/G/infinity: rate x mean life x (1 - e^-(t / life)), for exponential lives.
TEST(ClosedFormTest, LivePagesAtAMoment) {
  constexpr uint64_t kSecond = 1000000;
  const MixConfig mix{.users = {Ordinary("young", 1, Exponential{10000}, Constant{4}, Exponential{20 * kSecond})}};
  const double rate = 1 / Mean(Exponential{10000}) * 8;  // pages a microsecond
  for (const uint64_t seconds : {1, 10, 60}) {
    const double expected = rate * 20 * kSecond * -std::expm1(-static_cast<double>(seconds) / 20);
    EXPECT_NEAR(ExpectedLivePagesAt(mix.users[0], mix, SimTime(seconds * kSecond)) / expected, 1, 1e-3) << seconds;
  }
}

// Those that never end are all that came, at twice the rate for the first ten seconds.
TEST(ClosedFormTest, LivePagesThatNeverEndFollowTheirPhases) {
  constexpr uint64_t kSecond = 1000000;
  const MixConfig mix{
      .users = {{"files", PageCacheConfig{.interval_us = Constant{1000}, .size_pages = Constant{2}}}},
      .phases = {{.window = {.start_us = 0, .duration_us = 10 * kSecond, .every_us = 0, .rate_thousandths = 2000},
                  .rates = {}}}};
  EXPECT_NEAR(ExpectedLivePagesAt(mix.users[0], mix, SimTime(30 * kSecond)), 80000, 80);
}

}  // namespace
}  // namespace dmfrag::workload
