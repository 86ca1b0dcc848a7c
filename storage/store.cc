#include "storage/store.h"

#include <condition_variable>
#include <mutex>
#include <utility>

namespace dmfrag::storage {

absl::Status Store::CommitAndWait(Work work) {
  std::mutex mutex;
  std::condition_variable changed;
  bool finished = false;
  absl::Status result;
  Commit(std::move(work), [&](const absl::Status& status) {
    // Notified under the mutex: once it is free, all of these may be gone.
    std::lock_guard<std::mutex> lock(mutex);
    result = status;
    finished = true;
    changed.notify_one();
  });
  std::unique_lock<std::mutex> lock(mutex);
  changed.wait(lock, [&] { return finished; });
  return result;
}

}  // namespace dmfrag::storage
