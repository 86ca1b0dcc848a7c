#include "worker/workload/arrival_clock.h"

#include <algorithm>
#include <iterator>
#include <limits>

namespace dmfrag::workload {
namespace {

constexpr uint64_t kUnitsPerUs = 1000000000;  // at a rate of 1
constexpr uint64_t kRateOfOne = 1000;
constexpr uint64_t kEndOfTime = std::numeric_limits<uint64_t>::max();

// Whether `window` is open at `us`, and when that changes next.
struct WindowState {
  bool open = false;
  uint64_t until_us = kEndOfTime;
};

WindowState StateAt(const RateWindow& window, uint64_t us) {
  if (us < window.start_us) return {.open = false, .until_us = window.start_us};
  const uint64_t since_start = us - window.start_us;
  const uint64_t within = window.every_us == 0 ? since_start : since_start % window.every_us;
  const uint64_t begin = us - within;
  if (within < window.duration_us) {
    // A window without a gap never closes.
    if (window.every_us == window.duration_us) return {.open = true, .until_us = kEndOfTime};
    return {.open = true, .until_us = SimTime(begin).AfterUs(window.duration_us).us()};
  }
  if (window.every_us == 0) return {.open = false, .until_us = kEndOfTime};
  return {.open = false, .until_us = SimTime(begin).AfterUs(window.every_us).us()};
}

// `units` times a rate in thousandths, rounded down, at most 10^18.
uint64_t Times(uint64_t units, uint64_t rate_thousandths) {
  const unsigned __int128 product = static_cast<unsigned __int128>(units) * rate_thousandths / kRateOfOne;
  constexpr uint64_t kMost = kUnitsPerUs * kUnitsPerUs;
  return product > kMost ? kMost : static_cast<uint64_t>(product);
}

}  // namespace

ArrivalClock::ArrivalClock(uint64_t rate_thousandths, const std::vector<RateWindow>& windows)
    : rate_thousandths_(rate_thousandths) {
  std::copy_if(windows.begin(), windows.end(), std::back_inserter(windows_),
               [](const RateWindow& window) { return window.rate_thousandths != kRateOfOne; });
  is_simulated_time_ = windows_.empty() && rate_thousandths_ == kRateOfOne;
  segment_ = SegmentFrom(0);
}

ArrivalClock::Segment ArrivalClock::SegmentFrom(uint64_t begin_us) const {
  Segment segment{.begin_us = begin_us, .end_us = kEndOfTime, .units_per_us = Times(kUnitsPerUs, rate_thousandths_)};
  for (const RateWindow& window : windows_) {
    const WindowState state = StateAt(window, begin_us);
    if (state.open) segment.units_per_us = Times(segment.units_per_us, window.rate_thousandths);
    segment.end_us = std::min(segment.end_us, state.until_us);
  }
  return segment;
}

SimTime ArrivalClock::Next(uint64_t operational_us, SimTime horizon) {
  if (is_simulated_time_) {
    simulated_ = simulated_.AfterUs(operational_us);
    return simulated_;
  }
  arrival_ += static_cast<Operational>(operational_us) * kUnitsPerUs;
  for (;;) {
    const Operational ahead = arrival_ - segment_begin_;
    const Operational in_segment =
        static_cast<Operational>(segment_.end_us - segment_.begin_us) * segment_.units_per_us;
    if (ahead < in_segment) return SimTime(segment_.begin_us + static_cast<uint64_t>(ahead / segment_.units_per_us));
    if (segment_.end_us >= horizon.us()) return SimTime(kEndOfTime);
    segment_begin_ += in_segment;
    segment_ = SegmentFrom(segment_.end_us);
  }
}

double ArrivalClock::OperationalUsUntil(SimTime end) const {
  double sum = 0;
  for (Segment segment = SegmentFrom(0); segment.begin_us < end.us(); segment = SegmentFrom(segment.end_us)) {
    const uint64_t length_us = std::min(segment.end_us, end.us()) - segment.begin_us;
    sum +=
        static_cast<double>(length_us) * static_cast<double>(segment.units_per_us) / static_cast<double>(kUnitsPerUs);
    if (segment.end_us == kEndOfTime) break;
  }
  return sum;
}

}  // namespace dmfrag::workload
