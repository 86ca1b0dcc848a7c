#ifndef DMFRAG_WORKER_WORKLOAD_ARRIVAL_CLOCK_H_
#define DMFRAG_WORKER_WORKLOAD_ARRIVAL_CLOCK_H_

#include <cstdint>
#include <vector>

#include "worker/workload/sim_time.h"

namespace dmfrag::workload {

// A time in which a user comes more or less often than it would: [start, start + duration), and again every `every_us`.
struct RateWindow {
  uint64_t start_us = 0;
  uint64_t duration_us = 0;
  uint64_t every_us = 0;  // from one start to the next, at least the duration; 0: once
  uint64_t rate_thousandths = 1000;
};

// A user's own clock. Its intervals are drawn in operational time, which runs at the user's rate: twice as fast while
// it comes twice as often, not at all while it is off. The clock says which simulated time an operational time is. So a
// user's draws do not depend on its rates, and neither do those of other users.
//
// Exact in integers: an arrival is the microsecond in which its operational time is reached, however many there were
// before it, so that nothing drifts. Where windows overlap, rates multiply; the product is rounded down to 10^-9, and
// is at most 10^9. Thread-compatible.
class ArrivalClock {
 public:
  // Operational time is simulated time.
  ArrivalClock() = default;
  // `rate_thousandths` holds for all time. Windows of rate 1 are left out.
  ArrivalClock(uint64_t rate_thousandths, const std::vector<RateWindow>& windows);

  // Lets `operational_us` pass since the last arrival, and gives the simulated time of the next: the end of time if it
  // is at `horizon` or later. REQUIRES: the same horizon every time.
  SimTime Next(uint64_t operational_us, SimTime horizon);

  // Operational time from 0 to `end`, in microseconds: what Next uses up on the way. Does not move the clock.
  double OperationalUsUntil(SimTime end) const;

 private:
  // In units of 10^-9 us of operational time; 10^9 units a microsecond are a rate of 1.
  using Operational = unsigned __int128;

  // A time without a change of rate.
  struct Segment {
    uint64_t begin_us = 0;
    uint64_t end_us = 0;
    uint64_t units_per_us = 0;
  };

  // The segment that begins at `begin_us`.
  Segment SegmentFrom(uint64_t begin_us) const;

  bool is_simulated_time_ = true;
  uint64_t rate_thousandths_ = 1000;
  std::vector<RateWindow> windows_;
  Segment segment_;
  Operational segment_begin_ = 0;  // operational time at the segment's beginning
  Operational arrival_ = 0;        // of the last arrival
  SimTime simulated_;              // the last arrival, where operational time is simulated time
};

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_ARRIVAL_CLOCK_H_
