// The model against real kernels: each capture's recorded requests, carried out on its first dump.
#include "worker/experiment/replay.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/kernel/captures.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::tests {
namespace {

using experiment::ComparedStep;
using experiment::Predict;
using experiment::Predictor;
using experiment::ReplayPrediction;
using workload::KernelCapture;

std::vector<ComparedStep> ComparedSteps(const KernelCapture& capture) {
  const absl::StatusOr<ReplayPrediction> prediction = Predict(capture.input);
  EXPECT_OK(prediction);
  return Compare(*prediction, capture.measured, capture.input.start_counters);
}

// What each capture with a limitation is allowed to be wrong about.
const std::map<std::string, std::string>& Limited() {
  static const auto& limited = *new std::map<std::string, std::string>{
      {"cloud-61-2G-a", "no dump"}, {"npure-73-2G-a", "calls were not recorded"},
      {"pure-61-2G-a", "no dump"},  {"pure-61-8G-a", "no dump"},
      {"pure-612-2G-a", "no dump"}, {"pure-612-8G-a", "no dump"},
  };
  return limited;
}

TEST(KernelReplayTest, EveryStepOfEveryCaptureIsPredictedExactly) {
  int64_t steps = 0;
  int64_t changed = 0;
  for (const std::string& name : CaptureNames()) {
    SCOPED_TRACE(name);
    const KernelCapture capture = Capture(name);
    const auto limited = Limited().find(name);
    if (limited != Limited().end()) {
      EXPECT_THAT(capture.input.limitation, ::testing::HasSubstr(limited->second));
      continue;
    }
    EXPECT_EQ(capture.input.limitation, "");
    for (const ComparedStep& step : ComparedSteps(capture)) {
      EXPECT_EQ(step.difference, 0) << "step " << step.prediction.index << " " << step.prediction.action;
      EXPECT_EQ(step.prediction.counters, step.measured);
      ++steps;
      changed += step.changed ? 1 : 0;
    }
  }
  // As counted when the captures were checked in: a reader that drops steps would otherwise pass.
  EXPECT_EQ(steps, 1);
  EXPECT_EQ(changed, 1);
}

}  // namespace
}  // namespace dmfrag::tests
