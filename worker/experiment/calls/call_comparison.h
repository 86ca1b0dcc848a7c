#ifndef DMFRAG_WORKER_EXPERIMENT_CALLS_CALL_COMPARISON_H_
#define DMFRAG_WORKER_EXPERIMENT_CALLS_CALL_COMPARISON_H_

#include <vector>

#include "absl/status/statusor.h"
#include "worker/experiment/calls/call_tally.h"
#include "worker/workload/replay_input.h"

namespace dmfrag::experiment {

// Generates the direct-map calls of every step of a capture from what users did in it, by the sequences of
// worker/workload/calls, and compares them with the recorded ones: count, order, ranges, masks.
//
// What is generated from what:
// - set_memory: from the function, frame and length that a test module called.
// - secretmem: from frames in the order of touch, and from the names of areas that were freed. Where threads churned
// areas
//   of their own choice (pchurn), from the number of pages: faults are learned, and each free must be of a page
//   faulted.
// - bpf, module: from pages of vmalloc addresses by masks (StepOperations::mapped), which fix how many alias calls with
//   which masks there are. Which frames they concern no capture says: they are learned from the first call for each
//   frame of an area, and every later one of its load, its later permission changes, its free, is generated.
// - other: frees of areas that were there before the recording; the second half follows from the first.
// Which area of vmalloc is freed, and when, is read from the first call of its free: lazy frees come when they come.
// Calls of several processors at once are compared per thread where threads are known, and as they come otherwise.
//
// Rows are by step, then by user; steps whose calls were not recorded have none. Uses nothing measured.
// Errors: kInvalidArgument if there are more than 2^24 calls.
absl::StatusOr<std::vector<CallComparison>> CompareCalls(const workload::ReplayInput& input);

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_CALLS_CALL_COMPARISON_H_
