#ifndef DMFRAG_WORKER_EXPERIMENT_SAMPLER_H_
#define DMFRAG_WORKER_EXPERIMENT_SAMPLER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace dmfrag::experiment {

// One sample of a run.
struct Sample {
  uint64_t time_us = 0;  // since the end of the warm-up
  int64_t splits_2m = 0;
  int64_t direct_map_4k_kib = 0;
  int64_t direct_map_2m_kib = 0;
  int64_t direct_map_1g_kib = 0;
  int64_t held_pages = 0;
  int64_t free_pages = 0;
  int64_t unusable_free_2m_per_mille = 0;
  int64_t blocks_restored = 0;  // by all users since the end of the warm-up, as splits_2m
  int64_t shrunk_pages = 0;     // the same
};

using TimeSeries = std::vector<Sample>;

// Drops every second sample, the second, fourth, ...
void Coarsen(TimeSeries& series);

// Takes samples at whole multiples of an interval, 0 included, up to an end. It keeps at most kMaxSamples: beyond that
// it coarsens what it has and doubles the interval, so that any interval is affordable. Thread-compatible.
class Sampler {
 public:
  static constexpr size_t kMaxSamples = 4096;

  // `interval_us` 0: no samples. Samples are taken at times <= `end_us`.
  Sampler(uint64_t interval_us, uint64_t end_us) : interval_us_(interval_us), end_us_(end_us) {}

  // A sample is due at or before `time_us`.
  bool IsDue(uint64_t time_us) const { return interval_us_ != 0 && !done_ && next_us_ <= time_us; }

  // Records every sample due up to `time_us` with the values of `state`, which held all that time.
  void RecordUpTo(uint64_t time_us, const Sample& state);

  const TimeSeries& series() const { return series_; }

 private:
  uint64_t interval_us_;
  uint64_t end_us_;
  uint64_t next_us_ = 0;
  bool done_ = false;
  TimeSeries series_;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_SAMPLER_H_
