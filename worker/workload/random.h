#ifndef DMFRAG_WORKER_WORKLOAD_RANDOM_H_
#define DMFRAG_WORKER_WORKLOAD_RANDOM_H_

#include <cstdint>
#include <string_view>

namespace dmfrag::workload {

// SplitMix64 (Steele, Lea, Flood 2014): the same sequence on every platform for ever; changing it means a new class.
// A copy draws the same numbers as the original. Thread-compatible.
class Random {
 public:
  explicit constexpr Random(uint64_t seed) : seed_(seed), state_(seed) {}

  constexpr uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  // Each integer of [0, limit) equally likely, by rejection. REQUIRES: limit > 0.
  uint64_t Below(uint64_t limit);

  // A stream of its own for `name`: it depends on this stream's seed and the name, not on draws already made.
  Random Derive(std::string_view name) const;

 private:
  uint64_t seed_;
  uint64_t state_;
};

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_RANDOM_H_
