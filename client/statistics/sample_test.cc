#include "client/statistics/sample.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dmfrag::client {
namespace {

Sample Of(std::initializer_list<double> values) {
  Sample sample;
  for (const double value : values) sample.Add(value);
  return sample;
}

// A sample of n values (n even) whose standard error is 1, so that its half-width is the t quantile itself: +a and -a
// in equal numbers have the variance n a^2 / (n - 1), hence a = sqrt(n - 1).
Sample WithUnitError(int n) {
  Sample sample;
  const double a = std::sqrt(n - 1.0);
  for (int i = 0; i < n; ++i) sample.Add(i % 2 == 0 ? a : -a);
  return sample;
}

TEST(SampleTest, MeanIsThatOfTheValues) { EXPECT_DOUBLE_EQ(Of({1, 2, 4, 9}).mean(), 4.0); }

TEST(SampleTest, OneValueHasNoInterval) {
  EXPECT_EQ(Of({7}).HalfWidth95(), std::nullopt);
  EXPECT_EQ(Sample().HalfWidth95(), std::nullopt);
}

TEST(SampleTest, EqualValuesHaveAnIntervalOfZero) { EXPECT_DOUBLE_EQ(Of({5, 5, 5}).HalfWidth95().value(), 0.0); }

// NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2, "Critical Values of the Student's t Distribution", column
// 0.975 (three decimals), for 1, 3, 5, 9, 19, 29 and 99 degrees of freedom.
TEST(SampleTest, IntervalsFollowThePublishedTable) {
  EXPECT_NEAR(WithUnitError(2).HalfWidth95().value(), 12.706, 5e-4);
  EXPECT_NEAR(WithUnitError(4).HalfWidth95().value(), 3.182, 5e-4);
  EXPECT_NEAR(WithUnitError(6).HalfWidth95().value(), 2.571, 5e-4);
  EXPECT_NEAR(WithUnitError(10).HalfWidth95().value(), 2.262, 5e-4);
  EXPECT_NEAR(WithUnitError(20).HalfWidth95().value(), 2.093, 5e-4);
  EXPECT_NEAR(WithUnitError(30).HalfWidth95().value(), 2.045, 5e-4);
  EXPECT_NEAR(WithUnitError(100).HalfWidth95().value(), 1.984, 5e-4);
}

// By hand: mean 4.2; variance (10.24 + 1.44 + 0.64 + 0.64 + 7.84) / 4 = 5.2; standard error
// sqrt(5.2 / 5) = 1.019804; times t(4) = 2.776 is 2.831.
TEST(SampleTest, IntervalOfFiveValues) {
  const Sample sample = Of({1, 3, 5, 5, 7});
  EXPECT_DOUBLE_EQ(sample.mean(), 4.2);
  EXPECT_NEAR(sample.HalfWidth95().value(), 2.831, 1e-3);
}

TEST(SampleTest, LargeOffsetsKeepTheSpread) {
  const double offset = 1e12;
  EXPECT_NEAR(Of({offset + 1, offset + 3, offset + 5, offset + 5, offset + 7}).HalfWidth95().value(), 2.831, 1e-3);
}

}  // namespace
}  // namespace dmfrag::client
