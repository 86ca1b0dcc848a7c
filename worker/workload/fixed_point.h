#ifndef DMFRAG_WORKER_WORKLOAD_FIXED_POINT_H_
#define DMFRAG_WORKER_WORKLOAD_FIXED_POINT_H_

#include <cstdint>

// Powers and logarithms in integers alone: the same on every machine, for ever, since stored results depend on them.
// "Q32" is a number in units of 2^-32.
namespace dmfrag::workload {

// log2(e) in Q32.
inline constexpr uint64_t kLog2EQ32 = 6196328019;

// value x 2^(exponent / 2^32), rounded to nearest, at most the largest uint64_t. Relative error below 1e-6.
uint64_t TimesPowerOfTwo(uint64_t value, int64_t exponent_q32);

// log2(value) in Q32, rounded down. REQUIRES: value >= 1.
uint64_t Log2Q32(uint64_t value);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_FIXED_POINT_H_
