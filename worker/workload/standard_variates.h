#ifndef DMFRAG_WORKER_WORKLOAD_STANDARD_VARIATES_H_
#define DMFRAG_WORKER_WORKLOAD_STANDARD_VARIATES_H_

#include <cstdint>

#include "worker/workload/random.h"

// Continuous variables from which distributions are made, in fixed point, from tables of our own.
namespace dmfrag::workload {

// Exponential with mean 1, in units of 2^-32. Two draws. The quantile function's error stays below 2e-6.
uint64_t StandardExponential(Random& random);

// Normal with mean 0 and variance 1, in units of 2^-28, of magnitude below 9.16. Two draws. The quantile function's
// error stays below 2e-5.
int64_t StandardNormal(Random& random);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_STANDARD_VARIATES_H_
