#include "worker/experiment/sampler.h"

#include <limits>

namespace dmfrag::experiment {

void Coarsen(TimeSeries& series) {
  for (size_t i = 2; i < series.size(); i += 2) series[i / 2] = series[i];
  series.resize((series.size() + 1) / 2);
}

void Sampler::RecordUpTo(uint64_t time_us, const Sample& state) {
  while (IsDue(time_us)) {
    series_.push_back(state);
    series_.back().time_us = next_us_;
    if (series_.size() == kMaxSamples) {
      Coarsen(series_);
      next_us_ = series_.back().time_us;
      interval_us_ = interval_us_ > std::numeric_limits<uint64_t>::max() / 2 ? interval_us_ : interval_us_ * 2;
    }
    done_ = interval_us_ > end_us_ - next_us_;
    if (!done_) next_us_ += interval_us_;
  }
}

}  // namespace dmfrag::experiment
