#include "client/command/progress.h"

#include <algorithm>
#include <sstream>

#include "gtest/gtest.h"

namespace dmfrag::client {
namespace {

v1::Experiment At(int64_t succeeded, int64_t total, v1::ExperimentState state = v1::EXPERIMENT_STATE_ACTIVE) {
  v1::Experiment experiment;
  experiment.set_name("experiments/1");
  experiment.set_state(state);
  experiment.mutable_counts()->set_total(total);
  experiment.mutable_counts()->set_succeeded(succeeded);
  return experiment;
}

TEST(ProgressTest, TheLineHasRateAndTimeLeft) {
  v1::Experiment experiment = At(1000, 4000);
  experiment.mutable_counts()->set_failed(3);
  experiment.mutable_counts()->set_cached(500);
  // 1,003 done, 503 of them in 10 s: 2,997 more take 59.6 s.
  EXPECT_EQ(ProgressLine(experiment, 503, absl::Seconds(10)),
            "experiments/1  1,003/4,000 jobs (25 %), 3 failed, 500 cached, 50/s, 1 min 0 s left");
}

TEST(ProgressTest, NothingIsGuessedBeforeAnythingIsKnownOrAfterTheEnd) {
  EXPECT_EQ(ProgressLine(At(0, 20), 0, absl::Seconds(5)), "experiments/1  0/20 jobs (0 %)");
  EXPECT_EQ(ProgressLine(At(20, 20, v1::EXPERIMENT_STATE_DONE), 20, absl::Seconds(5)),
            "experiments/1  20/20 jobs (100 %)");
  EXPECT_EQ(ProgressLine(At(0, 0), 0, absl::Seconds(5)), "experiments/1  0/0 jobs (0 %)");
}

TEST(ProgressTest, WithoutATerminalThereIsALinePerTenth) {
  std::ostringstream out;
  ProgressPrinter printer(out, /*terminal=*/false);
  const absl::Time start = absl::UnixEpoch();
  for (int done = 0; done <= 100; ++done) {
    const bool ended = done == 100;
    printer.Update(At(done, 100, ended ? v1::EXPERIMENT_STATE_DONE : v1::EXPERIMENT_STATE_ACTIVE),
                   start + absl::Seconds(done));
  }
  printer.Finish();
  const std::string text = out.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 11);
  EXPECT_NE(text.find("50/100 jobs (50 %), 1.0/s, 50 s left\n"), std::string::npos) << text;
}

TEST(ProgressTest, WhatWasDoneBeforeDoesNotCountForTheRate) {
  std::ostringstream out;
  ProgressPrinter printer(out, /*terminal=*/true);
  printer.Update(At(900, 1000), absl::UnixEpoch());
  printer.Update(At(910, 1000), absl::UnixEpoch() + absl::Seconds(10));
  EXPECT_NE(out.str().find("910/1,000 jobs (91 %), 1.0/s, 1 min 30 s left"), std::string::npos) << out.str();
}

}  // namespace
}  // namespace dmfrag::client
