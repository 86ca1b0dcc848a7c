#ifndef DMFRAG_CLIENT_CAPTURE_CPU_MERGE_H_
#define DMFRAG_CLIENT_CAPTURE_CPU_MERGE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "client/capture/trace_record.h"

namespace dmfrag::client {

// Puts the records of several CPUs, each in order of time, into one order: of time, then of CPU. Stacks go to the
// records they belong to. Memory: the records not emitted yet. Thread-compatible.
class CpuMerge {
 public:
  // REQUIRES: of one CPU in order of time.
  void Push(TraceRecord record);

  // Hands on every record not later than `time_ns`. Errors: those of `sink`, which ends it.
  absl::Status EmitUntil(uint64_t time_ns, absl::FunctionRef<absl::Status(const TraceRecord&)> sink);

  // Latest time pushed; 0 if none was.
  uint64_t latest_ns() const { return latest_ns_; }
  // Records that wait.
  size_t waiting() const { return waiting_; }

 private:
  void AttachStack(std::deque<TraceRecord>& queue, TraceRecord stack);

  std::vector<std::deque<TraceRecord>> queues_;  // by CPU
  uint64_t latest_ns_ = 0;
  size_t waiting_ = 0;
};

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_CAPTURE_CPU_MERGE_H_
