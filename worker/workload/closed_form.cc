#include "worker/workload/closed_form.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

#include "worker/workload/object_traffic.h"

namespace dmfrag::workload {
namespace {

double FromQ32(uint64_t value) { return std::ldexp(static_cast<double>(value), -32); }

double NormalCdf(double z) { return std::erfc(-z / std::numbers::sqrt2) / 2; }

// Values up to which the mean of a rounded variable is summed one by one; beyond, rounding averages out.
constexpr double kSummed = 4096;

// Mean of min(round(X), cap): the sum over n of P(X >= n - 1/2), which beyond `first + kSummed` is an integral, given
// by `capped_mean(c)`, the mean of min(X, c). X >= first.
template <typename Survival, typename CappedMean>
double RoundedMean(double first, double cap, const Survival& survival, const CappedMean& capped_mean) {
  double sum = first;
  double n = first;
  for (; n < cap && n < first + kSummed; ++n) sum += survival(n + 0.5);
  return n < cap ? sum + capped_mean(cap) - capped_mean(n) : sum;
}

struct MeanOf {
  double operator()(const Constant& d) const { return static_cast<double>(d.value); }
  double operator()(const Uniform& d) const { return (static_cast<double>(d.min) + static_cast<double>(d.max)) / 2; }
  // Rounded down it is geometric.
  double operator()(const Exponential& d) const { return 1 / std::expm1(1 / static_cast<double>(d.mean)); }

  double operator()(const Lognormal& d) const {
    const auto median = static_cast<double>(d.median);
    const auto cap = static_cast<double>(d.max);
    const double sigma = FromQ32(d.log2_spread_q32) * std::numbers::ln2;
    if (sigma == 0) return std::min(median, cap);
    const auto survival = [=](double x) { return NormalCdf(-std::log(x / median) / sigma); };
    const auto capped_mean = [=](double c) {
      const double z = std::log(c / median) / sigma;
      return median * std::exp(sigma * sigma / 2) * NormalCdf(z - sigma) + c * survival(c);
    };
    return RoundedMean(0, cap, survival, capped_mean);
  }

  double operator()(const Pareto& d) const {
    const auto min = static_cast<double>(d.min);
    const auto cap = static_cast<double>(d.max);
    const double alpha = std::numbers::log2e / FromQ32(d.log2_tail_q32);
    const auto survival = [=](double x) { return std::pow(min / x, alpha); };
    const auto capped_mean = [=](double c) {
      const double ratio = c / min;
      // (1 - ratio^(1 - alpha)) / (alpha - 1), which tends to ln ratio at alpha = 1.
      const double exponent = (1 - alpha) * std::log(ratio);
      const double tail = std::abs(exponent) < 1e-9 ? std::log(ratio) : std::expm1(exponent) / (1 - alpha);
      return min * (1 + tail);
    };
    return RoundedMean(std::min(min, cap), cap, survival, capped_mean);
  }

  double operator()(const Empirical& d) const {
    double sum = 0;
    uint64_t below = 0;
    for (size_t i = 0; i < d.values.size(); ++i) {
      sum += static_cast<double>(d.values[i]) * static_cast<double>(d.cumulative_weights[i] - below);
      below = d.cumulative_weights[i];
    }
    return sum / static_cast<double>(below);
  }
};

struct SurvivalOf {
  double value;

  double operator()(const Constant& d) const { return static_cast<double>(d.value) > value ? 1 : 0; }
  double operator()(const Uniform& d) const {
    const double above = static_cast<double>(d.max) - std::floor(value);
    return std::clamp(above / (static_cast<double>(d.max - d.min) + 1), 0.0, 1.0);
  }
  double operator()(const Exponential& d) const {
    return std::exp(-(std::floor(value) + 1) / static_cast<double>(d.mean));
  }
  double operator()(const Lognormal& d) const {
    if (value >= static_cast<double>(d.max)) return 0;
    const double sigma = FromQ32(d.log2_spread_q32) * std::numbers::ln2;
    if (value <= 0) return 1;
    const double log_ratio = std::log(value / static_cast<double>(d.median));
    return sigma == 0 ? (log_ratio < 0 ? 1 : 0) : NormalCdf(-log_ratio / sigma);
  }
  double operator()(const Pareto& d) const {
    if (value >= static_cast<double>(d.max)) return 0;
    const double alpha = std::numbers::log2e / FromQ32(d.log2_tail_q32);
    return std::min(1.0, std::pow(static_cast<double>(d.min) / std::max(value, 1.0), alpha));
  }
  double operator()(const Empirical& d) const {
    size_t at_most = 0;  // values
    while (at_most < d.values.size() && static_cast<double>(d.values[at_most]) <= value) ++at_most;
    const double below = at_most == 0 ? 0 : static_cast<double>(d.cumulative_weights[at_most - 1]);
    return 1 - below / static_cast<double>(d.cumulative_weights.back());
  }
};

}  // namespace

double Mean(const Distribution& distribution) { return std::visit(MeanOf{}, distribution); }

double ExpectedLivePages(const UserConfig& user, const MixConfig& mix, SimTime end) {
  const ObjectTraffic traffic = TrafficOf(user);
  const double objects = ClockOf(user, mix.phases).OperationalUsUntil(end) / Mean(traffic.interval_us);
  const double pages_of_object = std::ldexp(Mean(traffic.size_allocations), static_cast<int>(traffic.order.raw()));
  return objects / static_cast<double>(end.us()) * Mean(traffic.lifetime_us) * pages_of_object;
}

double Survival(const Distribution& distribution, double value) { return std::visit(SurvivalOf{value}, distribution); }

// The sum over ages, in steps that grow with them: who came so long ago, and is still there.
double ExpectedLivePagesAt(const UserConfig& user, const MixConfig& mix, SimTime end) {
  constexpr double kStep = 1.0 / 64;  // of the age
  const ObjectTraffic traffic = TrafficOf(user);
  const ArrivalClock clock = ClockOf(user, mix.phases);
  const auto arrivals_until = [&](double us) { return clock.OperationalUsUntil(SimTime(static_cast<uint64_t>(us))); };
  const auto end_us = static_cast<double>(end.us());
  double objects = 0;  // times the mean interval
  for (double age = 0; age < end_us;) {
    const double older = std::min(end_us, std::max(age + 1, std::floor(age * (1 + kStep))));
    const double arrivals = arrivals_until(end_us - age) - arrivals_until(end_us - older);
    objects += arrivals * Survival(traffic.lifetime_us, (age + older) / 2);
    age = older;
  }
  const double pages_of_object = std::ldexp(Mean(traffic.size_allocations), static_cast<int>(traffic.order.raw()));
  return objects / Mean(traffic.interval_us) * pages_of_object;
}

}  // namespace dmfrag::workload
