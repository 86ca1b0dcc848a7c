#ifndef DMFRAG_CLIENT_REPLAY_SUMMARY_H_
#define DMFRAG_CLIENT_REPLAY_SUMMARY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dmfrag/v1/job_result.pb.h"

namespace dmfrag::client {

// How well one capture was predicted.
struct CaptureSummary {
  // File, as it was named.
  std::string file;
  // Why there is no prediction: no capture, or its job failed. Everything below is empty then.
  std::string error = {};
  v1::ReplayReport report = {};

  int64_t steps() const { return report.steps_size(); }
  int64_t steps_with_change() const;
  int64_t exact_steps() const;
  // Largest |predicted - measured| of any one counter at any step; an absent counter is not compared.
  int64_t max_abs_difference() const;
};

// Largest |predicted - measured| of any counter that both have.
int64_t LargestDifference(const v1::ReplayStep& step);

// A capture differs, and names no limitation that would explain it.
bool HasUnexplainedDifference(const std::vector<CaptureSummary>& summaries);

// There is a capture without a prediction.
bool HasError(const std::vector<CaptureSummary>& summaries);

// The steps of one capture for people: each compared step with its counters, predicted and measured. `all_steps`: also
// those in which nothing changed.
std::string StepTable(const CaptureSummary& summary, bool all_steps);

// One row per capture, for people.
std::string CaptureTable(const std::vector<CaptureSummary>& summaries);

// "N steps, M with change, K exact, max |difference| D".
std::string TotalLine(const std::vector<CaptureSummary>& summaries);

// {"captures", "steps", "steps_with_change", "exact_steps", "max_abs_difference", "per_capture": [{"capture", "file",
// "kernel", "start_step", "steps", "steps_with_change", "exact_steps", "max_abs_difference", "limitation", "error"}]}.
// All figures are numbers; start_step, limitation and error are null where there is none.
std::string SummaryJson(const std::vector<CaptureSummary>& summaries);

// One record per compared step of every capture.
std::string StepCsv(const std::vector<CaptureSummary>& summaries, bool all_steps);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_REPLAY_SUMMARY_H_
