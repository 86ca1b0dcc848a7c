#include "worker/workload/distribution.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "worker/workload/fixed_point.h"
#include "worker/workload/normal_table.h"
#include "worker/workload/standard_variates.h"

namespace dmfrag::workload {
namespace {

constexpr unsigned kFractionBits = 32;

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
  uint64_t operator()(const Lognormal& d) const {
    const __int128 exponent = static_cast<__int128>(d.log2_spread_q32) * StandardNormal(random) >> kNormalFractionBits;
    return std::min(TimesPowerOfTwo(d.median, static_cast<int64_t>(exponent)), d.max);
  }
  uint64_t operator()(const Pareto& d) const {
    const unsigned __int128 exponent =
        static_cast<unsigned __int128>(d.log2_tail_q32) * StandardExponential(random) >> kFractionBits;
    return std::min(TimesPowerOfTwo(d.min, static_cast<int64_t>(exponent)), d.max);
  }
  uint64_t operator()(const Empirical& d) const {
    const uint64_t rank = random.Below(d.cumulative_weights.back());
    const auto above = std::upper_bound(d.cumulative_weights.begin(), d.cumulative_weights.end(), rank);
    return d.values[static_cast<size_t>(above - d.cumulative_weights.begin())];
  }
};

}  // namespace

Lognormal Lognormal::OfSigma(uint64_t median, uint64_t sigma_thousandths, uint64_t max) {
  return {.median = median, .log2_spread_q32 = sigma_thousandths * kLog2EQ32 / 1000, .max = max};
}

Lognormal Lognormal::OfP99(uint64_t median, uint64_t p99, uint64_t max) {
  constexpr uint64_t kNormalP99Q32 = 9991588038;  // 2.3263478740..., which a standard normal exceeds once in a hundred
  const unsigned __int128 ratio = Log2Q32(p99) - Log2Q32(median);
  return {.median = median, .log2_spread_q32 = static_cast<uint64_t>((ratio << 32) / kNormalP99Q32), .max = max};
}

Pareto Pareto::OfAlpha(uint64_t min, uint64_t alpha_thousandths, uint64_t max) {
  return {.min = min, .log2_tail_q32 = 1000 * kLog2EQ32 / alpha_thousandths, .max = max};
}

Empirical Empirical::Of(std::vector<uint64_t> values, const std::vector<uint64_t>& weights) {
  Empirical table{.values = std::move(values), .cumulative_weights = {}};
  uint64_t sum = 0;
  for (const uint64_t weight : weights) table.cumulative_weights.push_back(sum += weight);
  return table;
}

uint64_t Draw(const Distribution& distribution, Random& random) { return std::visit(Drawer{random}, distribution); }

}  // namespace dmfrag::workload
