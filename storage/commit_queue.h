#ifndef DMFRAG_STORAGE_COMMIT_QUEUE_H_
#define DMFRAG_STORAGE_COMMIT_QUEUE_H_

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <span>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "storage/store.h"

namespace dmfrag::storage {

// A unit of work on its way through a store.
struct CommitUnit {
  Store::Work work;  // null if it was refused; then `status` says why
  Store::Done done;
  absl::Status status;
};

// Units that wait for the store's thread. Thread-safe.
//
// It never blocks the caller, who may hold locks that `done` needs. A unit that comes while `capacity` units wait is
// refused: it keeps its place, so that calls of `done` stay in order, but not its work.
class CommitQueue {
 public:
  explicit CommitQueue(size_t capacity) : capacity_(capacity) {}

  void Push(Store::Work work, Store::Done done);
  // Waits for units and takes at most `most` of them, in order. Empty: the queue is closed and has been emptied.
  std::vector<CommitUnit> Take(size_t most);
  // Lets Take end. Units may still come, as long as the taker's thread makes them.
  void Close();

 private:
  const size_t capacity_;
  // Standard ones throughout storage: Debian's Abseil is built without ThreadSanitizer's view of its mutexes.
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<CommitUnit> units_ ABSL_GUARDED_BY(mutex_);
  size_t waiting_work_ ABSL_GUARDED_BY(mutex_) = 0;  // units that were not refused
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

// Calls `done` of each unit, in order.
void CallDone(std::span<CommitUnit> units);

}  // namespace dmfrag::storage

#endif  // DMFRAG_STORAGE_COMMIT_QUEUE_H_
