#include "worker/experiment/sampler.h"

#include "gtest/gtest.h"

namespace dmfrag::experiment {
namespace {

std::vector<uint64_t> Times(const TimeSeries& series) {
  std::vector<uint64_t> times;
  for (const Sample& sample : series) times.push_back(sample.time_us);
  return times;
}

TEST(SamplerTest, SamplesAtWholeMultiplesUpToTheEnd) {
  Sampler sampler(100, 250);
  sampler.RecordUpTo(50, {.splits_2m = 1});
  sampler.RecordUpTo(60, {.splits_2m = 2});
  sampler.RecordUpTo(1000, {.splits_2m = 3});
  EXPECT_EQ(Times(sampler.series()), (std::vector<uint64_t>{0, 100, 200}));
  EXPECT_EQ(sampler.series()[0].splits_2m, 1);
  EXPECT_EQ(sampler.series()[1].splits_2m, 3);
  EXPECT_FALSE(sampler.IsDue(100000));
}

TEST(SamplerTest, NoIntervalNoSamples) {
  Sampler sampler(0, 1000);
  EXPECT_FALSE(sampler.IsDue(1000));
  sampler.RecordUpTo(1000, {});
  EXPECT_TRUE(sampler.series().empty());
}

TEST(SamplerTest, AnyIntervalIsAffordable) {
  Sampler sampler(1, uint64_t{10} * 366 * 24 * 3600 * 1000000);
  sampler.RecordUpTo(~uint64_t{0}, {.free_pages = 5});
  EXPECT_LE(sampler.series().size(), Sampler::kMaxSamples);
  EXPECT_GE(sampler.series().size(), Sampler::kMaxSamples / 2);
  const uint64_t interval = sampler.series()[1].time_us;
  for (size_t i = 0; i < sampler.series().size(); ++i) EXPECT_EQ(sampler.series()[i].time_us, i * interval);
}

TEST(SamplerTest, CoarseningKeepsTheFirst) {
  TimeSeries series(5);
  for (size_t i = 0; i < series.size(); ++i) series[i].time_us = i;
  Coarsen(series);
  EXPECT_EQ(Times(series), (std::vector<uint64_t>{0, 2, 4}));
  Coarsen(series);
  EXPECT_EQ(Times(series), (std::vector<uint64_t>{0, 4}));
  Coarsen(series);
  EXPECT_EQ(Times(series), (std::vector<uint64_t>{0}));
}

}  // namespace
}  // namespace dmfrag::experiment
