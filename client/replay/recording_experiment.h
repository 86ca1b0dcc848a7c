#ifndef DMFRAG_CLIENT_REPLAY_RECORDING_EXPERIMENT_H_
#define DMFRAG_CLIENT_REPLAY_RECORDING_EXPERIMENT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/replay/capture_file.h"
#include "dmfrag/v1/experiments.pb.h"

namespace dmfrag::client {

// What a recording is replayed on.
struct RecordingOptions {
  std::vector<std::string> caches = {"none"};  // names of cache types
  std::optional<uint64_t> memory_bytes;        // absent: the recorded machine if it was recorded, or 4 GiB
  uint32_t seeds = 10;
};

// Whether a file begins as a recording does.
bool IsRecordingFile(const std::filesystem::path& path);

// The experiment that runs a recording's requests under each cache type, one point each, in their order, by the
// recorded kernel's rules. Errors:
// INVALID_ARGUMENT if the file is no whole recording, or a cache type is not known or named twice.
absl::StatusOr<v1::Experiment> RecordingExperiment(const CaptureFile& recording, const RecordingOptions& options);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_REPLAY_RECORDING_EXPERIMENT_H_
