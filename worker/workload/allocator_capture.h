#ifndef DMFRAG_WORKER_WORKLOAD_ALLOCATOR_CAPTURE_H_
#define DMFRAG_WORKER_WORKLOAD_ALLOCATOR_CAPTURE_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/model/allocator_snapshot.h"

namespace dmfrag::workload {

// A kernel's free lists at the end of a step.
struct AllocatorDump {
  int32_t step = 0;
  model::AllocatorSnapshot state;
};

// The dumps of free lists of a capture (JSON of the format "dmtruth-1", plain or compressed by xz), in order. What the
// highest zone managed when watermarks were set is taken from the boot log's "Memory:" line, or, if the recorder wrote
// to min_free_kbytes before the first dump, from MemTotal. None: the capture has no dumps.
//
// Errors: kInvalidArgument as of ReadKernelCapture and ParseFreeLists. Thread-safe.
absl::StatusOr<std::vector<AllocatorDump>> ReadAllocatorDumps(std::string_view bytes);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_ALLOCATOR_CAPTURE_H_
