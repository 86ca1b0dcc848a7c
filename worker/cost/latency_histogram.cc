#include "worker/cost/latency_histogram.h"

#include <algorithm>
#include <bit>

namespace dmfrag::cost {

// Values below 32 are their own buckets; others are told by their five leading bits and how far those are shifted.
int LatencyHistogram::BucketOf(int64_t value) {
  const uint64_t v = static_cast<uint64_t>(value);
  if (v < (2u << kSubBits)) return static_cast<int>(v);
  const int shift = std::bit_width(v) - (kSubBits + 1);
  return (shift << kSubBits) + static_cast<int>(v >> shift);
}

int64_t LatencyHistogram::LargestOf(int bucket) {
  if (bucket < (2 << kSubBits)) return bucket;
  const int shift = (bucket >> kSubBits) - 1;
  const uint64_t leading = static_cast<uint64_t>(bucket) - (static_cast<uint64_t>(shift) << kSubBits);
  return static_cast<int64_t>(((leading + 1) << shift) - 1);
}

void LatencyHistogram::Record(int64_t value) {
  const int64_t counted = std::max<int64_t>(value, 0);
  ++counts_[BucketOf(counted)];
  ++count_;
  max_ = std::max(max_, counted);
  sum_ += counted;
}

void LatencyHistogram::Add(const LatencyHistogram& other) {
  for (int i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
}

int64_t LatencyHistogram::Mean() const { return count_ == 0 ? 0 : static_cast<int64_t>(sum_ / count_); }

int64_t LatencyHistogram::Quantile(int64_t per_mille) const {
  const auto wanted = static_cast<int64_t>((static_cast<__int128>(count_) * per_mille + 999) / 1000);
  int64_t seen = 0;
  for (int i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (counts_[i] > 0 && seen >= wanted) return std::min(LargestOf(i), max_);
  }
  return 0;
}

}  // namespace dmfrag::cost
