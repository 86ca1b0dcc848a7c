#ifndef DMFRAG_WORKER_WORKLOAD_SIM_TIME_H_
#define DMFRAG_WORKER_WORKLOAD_SIM_TIME_H_

#include <compare>
#include <cstdint>
#include <limits>

namespace dmfrag::workload {

// Simulated time since the start of a run, in microseconds. Sums stop at the far end of time instead of wrapping.
class SimTime {
 public:
  constexpr SimTime() = default;
  explicit constexpr SimTime(uint64_t us) : us_(us) {}
  constexpr uint64_t us() const { return us_; }
  constexpr SimTime AfterUs(uint64_t us) const {
    return us > std::numeric_limits<uint64_t>::max() - us_ ? SimTime(std::numeric_limits<uint64_t>::max())
                                                           : SimTime(us_ + us);
  }
  friend constexpr auto operator<=>(SimTime, SimTime) = default;

 private:
  uint64_t us_ = 0;
};

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_SIM_TIME_H_
