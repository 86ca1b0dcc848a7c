#include "worker/cost/latency_histogram.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace dmfrag::cost {
namespace {

TEST(LatencyHistogram, IsEmptyAtFirst) {
  const LatencyHistogram histogram;
  EXPECT_EQ(histogram.count(), 0);
  EXPECT_EQ(histogram.max(), 0);
  EXPECT_EQ(histogram.Mean(), 0);
  EXPECT_EQ(histogram.Quantile(500), 0);
}

TEST(LatencyHistogram, IsExactBelow32) {
  LatencyHistogram histogram;
  for (int64_t value = 1; value <= 31; ++value) histogram.Record(value);
  EXPECT_EQ(histogram.Quantile(0), 1);
  EXPECT_EQ(histogram.Quantile(500), 16);  // the 16th of 31
  EXPECT_EQ(histogram.Quantile(1000), 31);
}

// 1000 = 0b1111101000 has leading bits 0b11111, so its bucket is 992 to 1023; 100 = 0b1100100 lies in 100 to 103.
TEST(LatencyHistogram, QuantilesAreTheLargestValueOfABucket) {
  LatencyHistogram histogram;
  for (int i = 0; i < 99; ++i) histogram.Record(100);
  histogram.Record(1000);
  histogram.Record(5000);
  EXPECT_EQ(histogram.Quantile(500), 103);
  EXPECT_EQ(histogram.Quantile(990), 1023);
  EXPECT_EQ(histogram.Quantile(1000), 5000);  // never above the largest value
  EXPECT_EQ(histogram.max(), 5000);
  EXPECT_EQ(histogram.Mean(), (99 * 100 + 1000 + 5000) / 101);  // not of buckets
}

TEST(LatencyHistogram, TakesTheWholeRange) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  LatencyHistogram histogram;
  histogram.Record(kMax);
  histogram.Record(-5);
  EXPECT_EQ(histogram.Quantile(500), 0);
  EXPECT_EQ(histogram.Quantile(1000), kMax);
  histogram.Record(kMax);
  EXPECT_EQ(histogram.Mean(), kMax / 3 * 2) << "the sum does not overflow";
}

RC_GTEST_PROP(LatencyHistogram, QuantilesAreNeverTooLowAndAtMostASixteenthTooHigh, ()) {
  const auto values = *rc::gen::nonEmpty(rc::gen::container<std::vector<int64_t>>(
      rc::gen::resize(1000, rc::gen::map(rc::gen::arbitrary<uint64_t>(),
                                         [](uint64_t v) { return static_cast<int64_t>(v >> (v % 61 + 2)); }))));
  const auto per_mille = *rc::gen::inRange<int64_t>(0, 1001);
  LatencyHistogram histogram;
  for (int64_t value : values) histogram.Record(value);
  std::vector<int64_t> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  const size_t rank = std::max<size_t>(1, (sorted.size() * per_mille + 999) / 1000);
  const int64_t exact = sorted[rank - 1];
  const int64_t got = histogram.Quantile(per_mille);
  RC_ASSERT(got >= exact);
  RC_ASSERT(got <= exact + exact / 16);
}

RC_GTEST_PROP(LatencyHistogram, AddingIsRecordingBoth,
              (const std::vector<uint32_t>& a, const std::vector<uint32_t>& b)) {
  LatencyHistogram first;
  LatencyHistogram second;
  LatencyHistogram both;
  for (uint32_t value : a) first.Record(value);
  for (uint32_t value : b) second.Record(value);
  for (uint32_t value : a) both.Record(value);
  for (uint32_t value : b) both.Record(value);
  first.Add(second);
  RC_ASSERT(first.count() == both.count());
  RC_ASSERT(first.max() == both.max());
  RC_ASSERT(first.Mean() == both.Mean());
  for (int64_t q : {0, 500, 990, 1000}) RC_ASSERT(first.Quantile(q) == both.Quantile(q));
}

}  // namespace
}  // namespace dmfrag::cost
