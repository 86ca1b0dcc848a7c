#ifndef DMFRAG_CLIENT_COMMAND_PROGRESS_H_
#define DMFRAG_CLIENT_COMMAND_PROGRESS_H_

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/connection/connection.h"
#include "client/environment/environment.h"
#include "dmfrag/v1/experiments.pb.h"

namespace dmfrag::client {

// Says how far an experiment is. Pure but for the stream; time is an argument. Thread-compatible.
class ProgressPrinter {
 public:
  // A terminal gets one line, rewritten; anything else a line at the start, at every further tenth, and at the end.
  ProgressPrinter(std::ostream& out, bool terminal) : out_(out), terminal_(terminal) {}

  void Update(const v1::Experiment& experiment, absl::Time now);

  // Ends the rewritten line, so that what comes next stands on its own.
  void Finish();

 private:
  std::ostream& out_;
  bool terminal_;
  bool line_open_ = false;
  int64_t tenths_printed_ = -1;
  bool ended_printed_ = false;
  // What was done at the first update, and when that was: the rate leaves out what came from the store at once.
  std::optional<int64_t> first_done_;
  absl::Time first_time_;
};

// "experiments/1  12/20 jobs (60 %), 1 failed, 5 cached, 3.4/s, 2 s left": rate and time left from `done_since` jobs
// in `elapsed`; left out while nothing is known.
std::string ProgressLine(const v1::Experiment& experiment, int64_t done_since, absl::Duration elapsed);

// Watches an experiment until it has ended, and shows its progress on `environment.err` unless `quiet`. Reconnects when
// the stream breaks. Returns its last state (without base, axes and source_text).
// Errors: NOT_FOUND; CANCELLED when interrupted; DEADLINE_EXCEEDED after `timeout`; UNAVAILABLE if the server stays
// away.
absl::StatusOr<v1::Experiment> AwaitExperiment(Connection& connection, const std::string& name, absl::Duration timeout,
                                               bool quiet, Environment& environment);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_COMMAND_PROGRESS_H_
