#ifndef DMFRAG_WORKER_WORKLOAD_DISTRIBUTION_H_
#define DMFRAG_WORKER_WORKLOAD_DISTRIBUTION_H_

#include <cstdint>
#include <limits>
#include <variant>
#include <vector>

#include "worker/workload/random.h"

// Distributions over non-negative integers, in integer arithmetic alone, so that a draw depends on no library and no
// CPU.
namespace dmfrag::workload {

// Always the same value.
struct Constant {
  uint64_t value = 0;
};

// Each integer of [min, max] equally likely. REQUIRES: min <= max.
struct Uniform {
  uint64_t min = 0;
  uint64_t max = 0;
};

// Exponential with this mean, rounded down to an integer.
struct Exponential {
  uint64_t mean = 1;
};

// exp(normal), rounded to nearest; what is above `max` counts as `max`.
struct Lognormal {
  uint64_t median = 1;
  uint64_t log2_spread_q32 = 0;  // standard deviation of the logarithm to base 2, in units of 2^-32
  uint64_t max = std::numeric_limits<uint64_t>::max();

  // By the standard deviation of the natural logarithm. REQUIRES: sigma_thousandths <= 10^6.
  static Lognormal OfSigma(uint64_t median, uint64_t sigma_thousandths, uint64_t max);
  // By the value that one in a hundred exceeds. REQUIRES: 1 <= median <= p99.
  static Lognormal OfP99(uint64_t median, uint64_t p99, uint64_t max);
};

// min / U^(1/alpha) with a uniform U, rounded to nearest; what is above `max` counts as `max`.
struct Pareto {
  uint64_t min = 1;
  uint64_t log2_tail_q32 = 0;  // log2(e) / alpha, in units of 2^-32
  uint64_t max = std::numeric_limits<uint64_t>::max();

  // REQUIRES: 10 <= alpha_thousandths.
  static Pareto OfAlpha(uint64_t min, uint64_t alpha_thousandths, uint64_t max);
};

// One of `values`, exactly at the values and never between them, as often as its weight says. A draw takes a step per
// doubling of their number.
struct Empirical {
  std::vector<uint64_t> values;
  std::vector<uint64_t> cumulative_weights;

  // REQUIRES: as many weights as values, at least one; each weight positive; their sum below 2^64.
  static Empirical Of(std::vector<uint64_t> values, const std::vector<uint64_t>& weights);
};

using Distribution = std::variant<Constant, Uniform, Exponential, Lognormal, Pareto, Empirical>;

// One value of `distribution`. Draws from `random`: none for Constant, two for Exponential, Lognormal and Pareto, one
// for Uniform and Empirical (more, in rare cases, so that each value is equally likely).
uint64_t Draw(const Distribution& distribution, Random& random);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_DISTRIBUTION_H_
