#ifndef DMFRAG_WORKER_COST_LATENCY_HISTOGRAM_H_
#define DMFRAG_WORKER_COST_LATENCY_HISTOGRAM_H_

#include <array>
#include <cstdint>

namespace dmfrag::cost {

// Counts of values in buckets that are linear within each power of two, as HdrHistogram's are: exact below 32, then
// 16 buckets per power of two, so that a quantile is at most 1/16 (6.25 %) too high and never too low. The largest
// value and the sum are kept exactly.
//
// Ours, because Debian 12 has HdrHistogram for Java and Go alone, the summaries of prometheus-cpp and Boost's
// accumulators estimate quantiles in floating point, and Boost.Histogram's logarithmic axis calls libm's logarithm:
// results must be equal bit for bit on every machine. Thread-compatible; constant time but for Quantile.
class LatencyHistogram {
 public:
  // Negative values count as 0.
  void Record(int64_t value);
  void Add(const LatencyHistogram& other);

  int64_t count() const { return count_; }
  // Largest value recorded; 0 if none.
  int64_t max() const { return max_; }
  // Mean of what was recorded, exact but for its fraction, which is cut off; 0 if none.
  int64_t Mean() const;

  // The largest value of the bucket in which the smallest value lies that at least `per_mille` thousandths of all
  // values do not exceed, but never more than max(); 0 if there is none. REQUIRES: 0 <= per_mille <= 1000.
  int64_t Quantile(int64_t per_mille) const;

 private:
  static constexpr int kSubBits = 4;  // 16 buckets per power of two
  static constexpr int kBuckets = (64 - kSubBits) << kSubBits;
  static int BucketOf(int64_t value);
  static int64_t LargestOf(int bucket);

  std::array<int64_t, kBuckets> counts_ = {};
  int64_t count_ = 0;
  int64_t max_ = 0;
  __int128 sum_ = 0;
};

}  // namespace dmfrag::cost

#endif  // DMFRAG_WORKER_COST_LATENCY_HISTOGRAM_H_
