#ifndef DMFRAG_CLIENT_REPLAY_SUMMARY_H_
#define DMFRAG_CLIENT_REPLAY_SUMMARY_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dmfrag/v1/job_result.pb.h"

namespace dmfrag::client {

// Splits and collapses: recorded, of these predicted at their request and entry, and predicted beside them.
struct MapEventSums {
  int64_t recorded = 0;
  int64_t in_place = 0;
  int64_t unrecorded = 0;
};

// Dumps of the direct map, and their entries.
struct DumpSums {
  int64_t dumps = 0;
  int64_t equal_dumps = 0;  // in every entry
  int64_t entries = 0;
  int64_t equal_entries = 0;
};

// Captures with counters at boot; of these, those predicted exactly.
struct BootSums {
  int64_t captures = 0;
  int64_t exact = 0;
};

// Direct-map calls: recorded, generated from users' operations; of these, equal in their place, and equal but for
// frames that the call is the first to tell.
struct CallSums {
  int64_t recorded = 0;
  int64_t generated = 0;
  int64_t equal = 0;
  int64_t learned = 0;
};

// How well one capture was predicted.
struct CaptureSummary {
  // File, as it was named.
  std::string file;
  // Why there is no prediction: no capture, or its job failed. Everything below is empty then.
  std::string error = {};
  v1::ReplayReport report = {};

  // Steps whose counters were measured; of these, those in which one moved; and those that were predicted exactly.
  int64_t steps() const;
  int64_t steps_with_change() const;
  int64_t exact_steps() const;
  int64_t exact_steps_with_change() const;
  // Largest |predicted - measured| of any one counter at any step; an absent counter is not compared.
  int64_t max_abs_difference() const;
  MapEventSums map_events() const;
  DumpSums dumps() const;
  BootSums boot() const;
  // By kind of user.
  std::map<std::string, CallSums> calls() const;
};

// The same of all captures.
struct Totals {
  int64_t steps = 0;
  int64_t steps_with_change = 0;
  int64_t exact_steps = 0;
  int64_t exact_steps_with_change = 0;
  int64_t max_abs_difference = 0;
  MapEventSums map_events;
  DumpSums dumps;
  BootSums boot;
  std::map<std::string, CallSums> calls;
};
Totals TotalsOf(const std::vector<CaptureSummary>& summaries);

// Largest |predicted - measured| of any counter that both have.
int64_t LargestDifference(const v1::ReplayStep& step);

// A counter, a split or a collapse of a capture differs, and it names no limitation that would explain it.
bool HasUnexplainedDifference(const std::vector<CaptureSummary>& summaries);

// There is a capture without a prediction.
bool HasError(const std::vector<CaptureSummary>& summaries);

// The steps of one capture for people: each compared step with its counters, predicted and measured. `all_steps`: also
// those in which nothing changed.
std::string StepTable(const CaptureSummary& summary, bool all_steps);

// One row per capture, for people.
std::string CaptureTable(const std::vector<CaptureSummary>& summaries);

// The totals in words, a line each for what was compared.
std::string TotalText(const std::vector<CaptureSummary>& summaries);

// One record per compared step of every capture.
std::string StepCsv(const std::vector<CaptureSummary>& summaries, bool all_steps);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_REPLAY_SUMMARY_H_
