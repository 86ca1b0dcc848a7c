// The model against real kernels: each capture's recorded requests, carried out on its first dump.
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/kernel/captures.h"
#include "third_party/abseil_extras/status_matchers.h"
#include "worker/experiment/replay_comparison.h"

namespace dmfrag::tests {
namespace {

using experiment::ComparedStep;
using experiment::Predict;
using experiment::PredictAndCompare;
using experiment::Predictor;
using experiment::ReplayComparison;
using experiment::ReplayPrediction;
using workload::KernelCapture;

ReplayComparison Comparison(const KernelCapture& capture) {
  absl::StatusOr<ReplayComparison> comparison = PredictAndCompare(capture);
  EXPECT_OK(comparison);
  return *std::move(comparison);
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
    for (const ComparedStep& step : Comparison(capture).steps) {
      if (!step.measured.has_value()) continue;
      EXPECT_EQ(step.difference, 0) << "step " << step.prediction.index << " " << step.prediction.action;
      EXPECT_EQ(step.prediction.counters, *step.measured);
      ++steps;
      changed += step.changed ? 1 : 0;
    }
  }
  // As counted when the captures were checked in: a reader that drops steps would otherwise pass.
  EXPECT_EQ(steps, 4774);
  EXPECT_EQ(changed, 533);
}

TEST(KernelReplayTest, EveryDumpOfTheDirectMapIsPredictedEntryByEntry) {
  int dumps = 0;
  std::map<std::string, int64_t> different;
  for (const std::string& name : CaptureNames()) {
    SCOPED_TRACE(name);
    for (const ComparedStep& step : Comparison(Capture(name)).steps) {
      if (!step.dump.has_value()) continue;
      ++dumps;
      if (const int64_t entries = step.dump->entries - step.dump->equal_entries; entries > 0)
        different[name] += entries;
    }
  }
  // KFENCE takes pages out of the direct map and back without CPA; what npure's modules asked for was not recorded.
  EXPECT_THAT(different,
              ::testing::UnorderedElementsAre(::testing::Key("kfence-612-2G-a"), ::testing::Key("npure-73-2G-a")));
  EXPECT_EQ(dumps, 906);
}

TEST(KernelReplayTest, EverySplitAndCollapseFallsWhereTheKernelMadeIt) {
  int recorded = 0;
  int steps_as_sets = 0;
  for (const std::string& name : CaptureNames()) {
    SCOPED_TRACE(name);
    const KernelCapture capture = Capture(name);
    if (!capture.input.start_step.has_value()) continue;
    for (const ComparedStep& step : Comparison(capture).steps) {
      if (!step.map_events.has_value()) continue;
      EXPECT_EQ(step.map_events->in_place, step.map_events->recorded) << "step " << step.prediction.index;
      EXPECT_EQ(step.map_events->unrecorded, 0) << "step " << step.prediction.index;
      recorded += step.map_events->recorded;
      steps_as_sets += step.map_events->as_set && step.map_events->recorded > 0 ? 1 : 0;
    }
  }
  EXPECT_EQ(recorded, 4442 + 12);  // splits and collapses
  EXPECT_GT(steps_as_sets, 0);
}

// Replaces every number below `json` by an arbitrary one.
void Scramble(nlohmann::json& json, uint64_t& state) {
  if (json.is_number()) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    json = state >> 40;
    return;
  }
  if (json.is_structured()) {
    for (nlohmann::json& child : json) Scramble(child, state);
  }
}

// Everything the kernel was measured to do after the start is replaced by nonsense, or dropped.
void ScrambleMeasurements(nlohmann::json& capture, int start_step) {
  uint64_t state = 1;
  Scramble(capture["boot"], state);
  for (nlohmann::json& step : capture["steps"]) {
    if (step.at("i") == start_step) continue;
    if (step.contains("after")) {
      Scramble(step["after"]["meminfo_kB"], state);
      Scramble(step["after"]["vmstat"], state);
      for (const char* key :
           {"direct_map", "tables", "direct_map_pages", "not_present_4k", "buddyinfo", "pagetypeinfo"}) {
        step["after"].erase(key);
      }
    }
    for (const char* key : {"ipi", "freelist"}) step.erase(key);
    if (step.contains("dm")) {
      step["dm"]["splits"] = nlohmann::json::array();
      for (const char* key : {"collapses", "collapse_calls"}) step["dm"].erase(key);
    }
  }
}

// Everything the kernel was measured to do after the start is cut off.
void StripMeasurements(nlohmann::json& capture, int start_step) {
  for (nlohmann::json& step : capture["steps"]) {
    if (step.at("i") != start_step) step.erase("after");
    for (const char* key : {"ipi", "freelist"}) step.erase(key);
    if (!step.contains("dm")) continue;
    for (const char* key : {"splits", "collapses", "collapse_calls"}) step["dm"].erase(key);
  }
  if (!capture.contains("trace") || !capture["trace"].contains("outside_steps")) return;
  for (nlohmann::json& between : capture["trace"]["outside_steps"]) {
    for (const char* key : {"splits", "collapses", "collapse_calls"}) between.erase(key);
  }
}

struct PredictedStep {
  workload::KernelCounters counters;
  std::vector<workload::MapEvent> map_events;
  friend bool operator==(const PredictedStep&, const PredictedStep&) = default;
};

std::vector<PredictedStep> PredictedSteps(const workload::ReplayInput& input) {
  std::vector<PredictedStep> steps;
  const auto prediction = Predict(input);
  EXPECT_OK(prediction);
  for (const experiment::Prediction& step : prediction->steps) steps.push_back({step.counters, step.map_events});
  return steps;
}

TEST(KernelReplayTest, MeasuredValuesDoNotReachThePrediction) {
  int captures = 0;
  for (const std::string& name : CaptureNames()) {
    SCOPED_TRACE(name);
    const KernelCapture capture = Capture(name);
    if (!capture.input.start_step.has_value()) continue;
    const std::vector<PredictedStep> predicted = PredictedSteps(capture.input);
    for (const auto change : {ScrambleMeasurements, StripMeasurements}) {
      nlohmann::json json = CaptureJson(name);
      // Dumps before the first one there are none; those after it are dropped.
      change(json, *capture.input.start_step);
      const auto changed = workload::ReadKernelCapture(json.dump());
      ASSERT_OK(changed);
      EXPECT_EQ(PredictedSteps(changed->input), predicted);
      EXPECT_EQ(changed->input.limitation, capture.input.limitation);
    }
    ++captures;
  }
  EXPECT_EQ(captures, 170);
}

TEST(KernelReplayTest, MovingOneFrameToAnotherLargePageChangesThePrediction) {
  const std::string name = "e820-612-4G-h4k";
  const KernelCapture capture = Capture(name);
  ASSERT_EQ(capture.input.start_runs.back().level, model::MapLevel::k2M);
  const uint64_t target = capture.input.start_runs.back().first.raw();
  nlohmann::json json = CaptureJson(name);
  for (nlohmann::json& step : json["steps"]) {
    if (!step.contains("pfns")) continue;
    nlohmann::json& list = step["pfns"].front()["list"];
    ASSERT_NE(list.back().get<uint64_t>() / 512, target / 512);
    list.back() = target;
    break;
  }
  const auto moved = workload::ReadKernelCapture(json.dump());
  ASSERT_OK(moved);
  EXPECT_NE(PredictedSteps(moved->input), PredictedSteps(capture.input));
}

// The boot rule of the e820 map against the first dump, in captures of odd maps: blocks the kernel split during boot
// are 4K in the dump and whole by the rule; nothing else may differ.
TEST(KernelBootTest, FewBlocksDifferFromTheE820Rule) {
  int captures = 0;
  for (const std::string& name : CaptureNames()) {
    if (!name.starts_with("e820")) continue;
    SCOPED_TRACE(name);
    const KernelCapture capture = Capture(name);
    const auto dumped = model::DirectMap::FromRuns(capture.input.start_runs);
    ASSERT_OK(dumped);
    const auto booted =
        model::DirectMap::Boot(capture.input.memory, capture.input.mapping, model::EntryFlags::PageKernel());
    int finer = 0;
    for (model::FrameNumber frame(0); frame < booted.end(); frame = frame + model::kFramesPer2M) {
      const auto rule = booted.Lookup(frame);
      const auto kernel = dumped->Lookup(frame);
      ASSERT_EQ(rule.has_value(), kernel.has_value()) << frame.raw();
      if (!rule.has_value() || rule->level == kernel->level) continue;
      EXPECT_GT(rule->level, kernel->level) << frame.raw();
      if (kernel->level == model::MapLevel::k4K) ++finer;
    }
    EXPECT_LE(finer, 8);
    ++captures;
  }
  EXPECT_EQ(captures, 40);
}

}  // namespace
}  // namespace dmfrag::tests
