#ifndef DMFRAG_CLIENT_REPLAY_FREE_RUNNING_SUMMARY_H_
#define DMFRAG_CLIENT_REPLAY_FREE_RUNNING_SUMMARY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "dmfrag/v1/job_result.pb.h"

namespace dmfrag::client {

// A count over seeds.
struct SeedSpread {
  double mean = 0;
  int64_t least = 0;
  int64_t most = 0;
};

// One capture replayed with the model's frames, from several seeds.
struct FreeRunningSummary {
  // File, as it was named.
  std::string file;
  // Why there is no result: no capture, or a job failed. Everything below is empty then.
  std::string error = {};
  // One per seed, of the same capture and start.
  std::vector<v1::ReplayReport> seeds = {};

  std::string capture() const { return seeds.empty() ? "" : seeds.front().capture_id(); }
  std::string kernel() const { return seeds.empty() ? "" : seeds.front().kernel(); }
  // The kernel split a 2M page: the capture counts.
  bool counts() const { return !seeds.empty() && seeds.front().free_running().kernel_splits_2m() > 0; }
  // Splits from the start of the replay to its end.
  int64_t kernel_2m() const { return seeds.empty() ? 0 : seeds.front().free_running().kernel_splits_2m(); }
  int64_t kernel_1g() const { return seeds.empty() ? 0 : seeds.front().free_running().kernel_splits_1g(); }
  SeedSpread model_2m() const;
  SeedSpread model_1g() const;
  // Mean of the model's 2M splits, less the kernel's.
  double error_2m() const { return model_2m().mean - static_cast<double>(kernel_2m()); }
  // The mark: 2 splits or 10 %, whichever is more.
  double allowed_2m() const;
  bool within() const;
};

// Captures that count, those within the mark, and splits pooled over those with at least 20.
struct FreeRunningTotals {
  int64_t captures = 0;
  int64_t counted = 0;
  int64_t within = 0;
  int64_t pooled_captures = 0;
  int64_t pooled_kernel = 0;
  double pooled_model = 0;
};
FreeRunningTotals TotalsOf(const std::vector<FreeRunningSummary>& summaries);

// Worst first: by error in parts of what is allowed; then captures without splits; then those without a result.
void SortWorstFirst(std::vector<FreeRunningSummary>& summaries);

// There is a capture without a result.
bool HasError(const std::vector<FreeRunningSummary>& summaries);

// One row per capture, and the totals in words.
std::string FreeRunningTable(const std::vector<FreeRunningSummary>& summaries);

// One record per capture.
std::string FreeRunningCsv(const std::vector<FreeRunningSummary>& summaries);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_REPLAY_FREE_RUNNING_SUMMARY_H_
