#ifndef DMFRAG_WORKER_RPC_ATTEMPT_BOOK_H_
#define DMFRAG_WORKER_RPC_ATTEMPT_BOOK_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "dmfrag/v1/workers.pb.h"

namespace dmfrag::worker {

// An assignment with its whole spec.
struct Attempt {
  v1::AttemptRef ref;
  v1::JobSpec spec;
};

// Every attempt the worker holds: waiting for a slot, running, or reported and not yet acknowledged. Nothing leaves it
// but by an acknowledgement or a revocation. Thread-safe.
class AttemptBook {
 public:
  void Add(Attempt attempt);
  // An attempt that cannot be run: its report waits for ReportsToSend at once.
  void Reject(v1::AttemptReport report);
  // Waits for work and takes up to `limit` attempts to run, fewer if few wait. Empty once Stop was called.
  std::vector<Attempt> Take(size_t limit);
  // An attempt has run. Its report waits for ReportsToSend; that of an attempt revoked meanwhile is dropped.
  void Finish(v1::AttemptReport report);
  // Reports that were never sent, or were sent longer than `resend_after` ago: up to about `max_bytes`, one at least if
  // any.
  std::vector<v1::AttemptReport> ReportsToSend(absl::Time now, absl::Duration resend_after, size_t max_bytes);
  // Waits until there is a report that was never sent, or `deadline`.
  void AwaitReport(absl::Time deadline);

  // Drops an attempt that was acknowledged or revoked; if it still runs, its report will be dropped.
  void Forget(const v1::AttemptRef& ref);
  // The server goes on with these alone: all others are dropped. All reports are to be sent again.
  void KeepOnly(const std::vector<v1::AttemptRef>& adopted);
  // Drops and returns the attempts no slot has taken.
  std::vector<v1::AttemptRef> GiveBackWaiting();

  // All attempts held.
  std::vector<v1::AttemptRef> Held() const;
  // Attempts waiting or running: the worker's load.
  size_t Unfinished() const;
  size_t Waiting() const;
  // Take returns at once from here on.
  void Stop();

 private:
  enum class State { kWaiting, kRunning, kReported };
  struct Entry {
    Attempt attempt;
    State state = State::kWaiting;
    v1::AttemptReport report;
    std::optional<absl::Time> sent;  // absent: never on this stream
  };

  void Erase(std::map<uint64_t, Entry>::iterator entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable std::mutex mutex_;
  std::condition_variable has_work_;
  std::condition_variable has_unsent_;
  std::map<uint64_t, Entry> entries_ ABSL_GUARDED_BY(mutex_);  // by fence
  std::deque<uint64_t> waiting_ ABSL_GUARDED_BY(mutex_);       // fences, some perhaps revoked
  size_t unsent_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace dmfrag::worker

#endif  // DMFRAG_WORKER_RPC_ATTEMPT_BOOK_H_
