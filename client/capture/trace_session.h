#ifndef DMFRAG_CLIENT_CAPTURE_TRACE_SESSION_H_
#define DMFRAG_CLIENT_CAPTURE_TRACE_SESSION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/capture/event_decoder.h"
#include "client/capture/kernel_symbols.h"
#include "client/capture/trace_writer.h"
#include "client/environment/interrupt.h"

namespace dmfrag::client {

struct TraceOptions {
  // Of each CPU's buffer, in KiB.
  uint32_t buffer_kib = 4096;
  // Call stacks of every event.
  bool stacks = false;
  // What goes from per-CPU lists back to the free lists.
  bool drains = false;
  // Names of tasks are not asked for.
  bool privacy = false;
};

// Tracing of the running kernel by an instance of our own below tracefs, named dmfrag-PID, so that nobody else's
// tracing changes. The instance and its probes go with the object; those left behind by a process that is gone, at the
// next start. Mounts nothing. Thread-compatible.
class TraceSession {
 public:
  // Sets everything up, without starting. Borrows `symbols`. Errors: kFailedPrecondition if tracefs is not mounted,
  // kPermissionDenied, kUnavailable; the text gives the remedy.
  static absl::StatusOr<std::unique_ptr<TraceSession>> Create(const TraceOptions& options,
                                                              const KernelSymbols& symbols);
  ~TraceSession();
  TraceSession(const TraceSession&) = delete;
  TraceSession& operator=(const TraceSession&) = delete;

  EventDecoder& decoder();
  // What cannot be recorded here; a sentence each.
  const std::vector<std::string>& missing() const;

  // Records for `length`, or until `interrupt`, and hands on what was recorded. Errors: those of the kernel's files and
  // of `writer`.
  absl::Status Record(absl::Duration length, const Interrupt& interrupt, TraceWriter& writer);

  // Records that the kernel's own counters say it dropped; -1 if they cannot be read.
  int64_t DroppedByKernel() const;

 private:
  struct State;
  explicit TraceSession(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_CAPTURE_TRACE_SESSION_H_
