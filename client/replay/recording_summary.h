#ifndef DMFRAG_CLIENT_REPLAY_RECORDING_SUMMARY_H_
#define DMFRAG_CLIENT_REPLAY_RECORDING_SUMMARY_H_

#include <string>
#include <vector>

#include "client/statistics/sample.h"
#include "dmfrag/v1/results.pb.h"

namespace dmfrag::client {

// A recording under one cache type: what the kernel did, and the model over all seeds.
struct RecordingRow {
  std::string cache;
  std::string error = {};           // why there is no result; empty if there is
  v1::RecordingReport report = {};  // of the first seed: what the recording itself says is the same in all
  Sample live_pages = {};
  Sample splits_2m = {};
  Sample flushes = {};
  Sample held_pages = {};
  Sample failed_allocations = {};
  std::vector<Sample> free_blocks = {};  // by order
};

// Of the results of one point, one a seed.
RecordingRow RecordingRowOf(const std::string& cache, const std::vector<v1::Result>& results);

// For people: a row per cache type, then free blocks by order, then what the recording cannot say.
std::string RecordingText(const std::vector<RecordingRow>& rows);

// One record per cache type; means, and half-widths of their 95 % confidence intervals.
std::string RecordingCsv(const std::vector<RecordingRow>& rows);

// One object, figures as numbers:
//   events, lost_events, recorded_live_pages, kernel_splits_2m, kernel_free_blocks [by order], limitations [text]
//   caches [{cache, error, seeds, live_pages, splits_2m, flushes, held_pages, failed_allocations {mean, ci95},
//     free_blocks [{mean, ci95}]}]
std::string RecordingJson(const std::vector<RecordingRow>& rows);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_REPLAY_RECORDING_SUMMARY_H_
