#ifndef DMFRAG_CLIENT_RECORDING_RUN_SNAPSHOT_H_
#define DMFRAG_CLIENT_RECORDING_RUN_SNAPSHOT_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>

#include "absl/status/statusor.h"
#include "dmfrag/v1/recording.pb.h"

namespace dmfrag::client {

// What a recorded run ("dmtruth-1") says of its machine around its trace.
struct RunSnapshots {
  v1::MachineSnapshot before;  // as dumped last before the trace was switched on; counters empty if it was on from boot
  v1::MachineSnapshot after;   // as dumped first behind its end
  std::optional<uint64_t> page_offset_base;  // address of the direct map's first byte
  size_t steps = 0;                          // of the whole run
};

// Reads the run that belongs to a trace: JSON, plain or compressed (xz, gz, zst). Counters are written as the kernel
// prints them; those that the run did not keep are missing. Errors: kInvalidArgument if it cannot be read or is no such
// run; the text names the file and the place.
absl::StatusOr<RunSnapshots> ReadRunSnapshots(const std::filesystem::path& path);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_RECORDING_RUN_SNAPSHOT_H_
