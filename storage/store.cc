#include "storage/store.h"

#include <utility>

#include "absl/synchronization/notification.h"

namespace dmfrag::storage {

absl::Status Store::CommitAndWait(Work work) {
  absl::Status result;
  absl::Notification finished;
  Commit(std::move(work), [&](const absl::Status& status) {
    result = status;
    finished.Notify();
  });
  finished.WaitForNotification();
  return result;
}

}  // namespace dmfrag::storage
