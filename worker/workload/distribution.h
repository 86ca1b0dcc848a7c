#ifndef DMFRAG_WORKER_WORKLOAD_DISTRIBUTION_H_
#define DMFRAG_WORKER_WORKLOAD_DISTRIBUTION_H_

#include <cstdint>
#include <variant>

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

using Distribution = std::variant<Constant, Uniform, Exponential>;

// One value of `distribution`, with as many draws from `random` as it takes.
uint64_t Draw(const Distribution& distribution, Random& random);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_DISTRIBUTION_H_
