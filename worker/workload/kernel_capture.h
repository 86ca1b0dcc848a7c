#ifndef DMFRAG_WORKER_WORKLOAD_KERNEL_CAPTURE_H_
#define DMFRAG_WORKER_WORKLOAD_KERNEL_CAPTURE_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "worker/workload/replay_input.h"

namespace dmfrag::workload {

// A capture of a real kernel, taken apart.
struct KernelCapture {
  ReplayInput input;
  ReplayMeasured measured;
};

// Reads a capture: JSON of the format "dmtruth-1", plain or compressed by xz, at most 256 MiB of JSON.
//
// The start is the first step with a dump of the direct map. A step's requests are its recorded CPA calls (`dm`);
// failing those, if it touched secret pages and says which (`pfns`), one set_direct_map_invalid_noflush each, and one
// set_direct_map_default_noflush each when that area is freed. After the start, `input` takes nothing from measured
// values: counters, dumps, splits, page tables.
//
// Errors: kInvalidArgument if the file is truncated or damaged, of another format, or has a value that makes no sense;
// the text names the place. Thread-safe.
absl::StatusOr<KernelCapture> ReadKernelCapture(std::string_view bytes);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_KERNEL_CAPTURE_H_
