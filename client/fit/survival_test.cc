#include "client/fit/survival.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dmfrag::client {
namespace {

using testing::ElementsAre;

TEST(TableTest, KeepsValuesAndHowOftenTheyCame) {
  const v1::Distribution table = TableOf({{.value = 5}, {.value = 1, .weight = 3}, {.value = 5}}, 48);
  EXPECT_THAT(table.empirical().values(), ElementsAre(1, 5));
  EXPECT_THAT(table.empirical().weights(), ElementsAre(3, 2));
  EXPECT_EQ(TableOf({{.value = 7}, {.value = 7}}, 48).constant().value(), 7u);
}

TEST(TableTest, JoinsNeighboursToTheirMean) {
  std::vector<WeightedValue> values;
  for (uint64_t i = 0; i < 1000; ++i) values.push_back({.value = i * 10});
  const v1::Distribution table = TableOf(values, 10);
  ASSERT_LE(table.empirical().values_size(), 10);
  double sum = 0;
  double weights = 0;
  for (int i = 0; i < table.empirical().values_size(); ++i) {
    sum += static_cast<double>(table.empirical().values(i) * table.empirical().weights(i));
    weights += static_cast<double>(table.empirical().weights(i));
  }
  EXPECT_EQ(weights, 1000);
  EXPECT_NEAR(sum / weights, 4995, 1);
}

// Ends at 1 and 3, one still in use at 2: S(1) = 3/4 of four, S(3) = 3/4 * 1/2, as in any textbook.
TEST(LifetimesTest, IsKaplanMeiers) {
  const v1::Distribution lives = LifetimesOf(
      {{.value = 1}, {.value = 2, .is_censored = true}, {.value = 3}, {.value = 4, .is_censored = true}}, 100, 48);
  EXPECT_THAT(lives.empirical().values(), ElementsAre(1, 3, 100));
  EXPECT_THAT(lives.empirical().weights(), ElementsAre(25'000'000, 37'500'000, 37'500'000));
}

TEST(LifetimesTest, AllOrNoneEnded) {
  EXPECT_EQ(LifetimesOf({{.value = 4, .is_censored = true}}, 100, 48).constant().value(), 100u);
  EXPECT_EQ(LifetimesOf({{.value = 4}, {.value = 4}}, 100, 48).constant().value(), 4u);
}

TEST(LifetimesTest, WhatLivesOnIsNotAveragedWithWhatEnded) {
  std::vector<WeightedValue> lives;
  for (uint64_t i = 1; i <= 500; ++i) lives.push_back({.value = i, .is_censored = i % 2 == 0});
  const v1::Distribution table = LifetimesOf(lives, 1'000'000, 8);
  ASSERT_LE(table.empirical().values_size(), 8);
  EXPECT_EQ(*table.empirical().values().rbegin(), 1'000'000u);
  EXPECT_LE(*(table.empirical().values().rbegin() + 1), 500u);
}

}  // namespace
}  // namespace dmfrag::client
