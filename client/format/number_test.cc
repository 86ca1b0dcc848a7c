#include "client/format/number.h"

#include <limits>

#include "gtest/gtest.h"

namespace dmfrag::client {
namespace {

Sample Of(std::initializer_list<double> values) {
  Sample sample;
  for (const double value : values) sample.Add(value);
  return sample;
}

TEST(NumberTest, MeansShowTwoDigitsOfTheirInterval) {
  // Half-widths: t(1) = 12.706 times 100, 1 and 0.01.
  EXPECT_EQ(FormatMean(Of({1000, 1200})), "1100 ± 1271");
  EXPECT_EQ(FormatMean(Of({10, 12})), "11 ± 13");
  EXPECT_EQ(FormatMean(Of({1.00, 1.02})), "1.01 ± 0.13");
}

TEST(NumberTest, OneValueHasNoInterval) {
  EXPECT_EQ(FormatMean(Of({17})), "17");
  EXPECT_EQ(FormatMean(Of({12.345})), "12.35");
}

TEST(NumberTest, EqualValuesAndNoValues) {
  EXPECT_EQ(FormatMean(Of({4, 4})), "4 ± 0");
  EXPECT_EQ(FormatMean(Sample()), "-");
}

TEST(NumberTest, ExactValuesReadBack) {
  EXPECT_EQ(FormatExact(0.1), "0.1");
  EXPECT_EQ(FormatExact(1204), "1204");
  EXPECT_EQ(std::stod(FormatExact(1.0 / 3)), 1.0 / 3);
}

TEST(NumberTest, CountsHaveThousandsSeparators) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1204000), "1,204,000");
  EXPECT_EQ(FormatCount(-1234), "-1,234");
  EXPECT_EQ(FormatCount(-123), "-123");
  EXPECT_EQ(FormatCount(std::numeric_limits<int64_t>::min()), "-9,223,372,036,854,775,808");
}

TEST(NumberTest, SpansHaveTwoUnitsAtMost) {
  EXPECT_EQ(FormatSpan(absl::Milliseconds(400)), "0 s");
  EXPECT_EQ(FormatSpan(absl::Seconds(59)), "59 s");
  EXPECT_EQ(FormatSpan(absl::Seconds(200)), "3 min 20 s");
  EXPECT_EQ(FormatSpan(absl::Minutes(125)), "2 h 5 min");
}

}  // namespace
}  // namespace dmfrag::client
