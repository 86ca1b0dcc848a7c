#include "client/format/sparkline.h"

#include "gtest/gtest.h"

namespace dmfrag::client {
namespace {

TEST(SparklineTest, GoesFromTheLowestBarToTheHighest) {
  EXPECT_EQ(Sparkline({-7, 0, 7}, 10), "▁▅█");
  EXPECT_EQ(Sparkline({0, 1, 2, 3, 4, 5, 6, 7}, 8), "▁▂▃▄▅▆▇█");
}

TEST(SparklineTest, AveragesWhatDoesNotFit) {
  EXPECT_EQ(Sparkline({0, 0, 10, 10}, 2), "▁█");
  EXPECT_EQ(Sparkline({0, 10, 0, 10}, 2), "▅▅");
}

TEST(SparklineTest, IsFlatWhereNothingMoves) {
  EXPECT_EQ(Sparkline({5, 5}, 4), "▁▁");
  EXPECT_EQ(Sparkline({INT64_MIN, INT64_MAX}, 4), "▁█");
  EXPECT_EQ(Sparkline({}, 4), "");
  EXPECT_EQ(Sparkline({1}, 0), "");
}

}  // namespace
}  // namespace dmfrag::client
