#ifndef DMFRAG_WORKER_WORKLOAD_CAPTURE_VALUES_H_
#define DMFRAG_WORKER_WORKLOAD_CAPTURE_VALUES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "worker/model/direct_map.h"
#include "worker/model/entry_flags.h"
#include "worker/model/memory_map.h"
#include "worker/model/units.h"
#include "worker/workload/replay_input.h"

// The values of a capture, one by one. Errors are kInvalidArgument and name the `place`; a value of another type than
// the format says is an exception of nlohmann's, which ReadKernelCapture catches. Thread-safe.
namespace dmfrag::workload {

// One past the last frame that any capture may name.
inline constexpr uint64_t kMaxFrame = model::MemoryMap::kMaxAddressBytes / model::kFrameBytes;

// The most calls that one row may stand for, so that sums of them stay within 64 bits.
inline constexpr uint64_t kMaxCallsOfRow = uint64_t{1} << 32;

// kInvalidArgument "capture, PLACE: WHAT".
absl::Status DamagedCapture(std::string_view place, std::string_view what);

absl::StatusOr<model::FrameNumber> ParseFrame(const nlohmann::json& json, const std::string& place);

// "4k", "2M" or "1G".
absl::StatusOr<model::MapLevel> ParseLevel(const std::string& name, const std::string& place);

// Rows [first frame, frames, level, flags].
absl::StatusOr<std::vector<model::LeafRun>> ParseDirectMap(const nlohmann::json& rows, const std::string& place);

// A row of attr_changes.
absl::StatusOr<CpaCall> ParseCall(const nlohmann::json& row, const std::string& place);

// Whether a state holds the counters of meminfo and vmstat, and those counters.
bool HasCounters(const nlohmann::json& state);
KernelCounters ParseCounters(const nlohmann::json& state);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_CAPTURE_VALUES_H_
