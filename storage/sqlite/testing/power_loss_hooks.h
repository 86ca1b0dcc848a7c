#ifndef DMFRAG_STORAGE_SQLITE_TESTING_POWER_LOSS_HOOKS_H_
#define DMFRAG_STORAGE_SQLITE_TESTING_POWER_LOSS_HOOKS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "storage/sqlite/testing/shim_vfs.h"

namespace dmfrag::storage::sqlite {

// What un-synced writes become when the power fails.
enum class Unsynced {
  kDropped,  // none reached the disk
  kTorn,     // each 512-byte sector of each reached it or did not, at random (seeded)
};

// Knows, for every file, what is durable: what was written before its last sync. Thread-safe.
//
// Model: a file that was never synced may be gone, and is; a deletion is durable at once, which is the worse of the two
// for a log that is deleted after its checkpoint; the shared-memory file is never durable.
class PowerLossHooks : public FileCallHooks {
 public:
  // Files after a power loss, by their name without folder.
  using Image = std::map<std::string, std::string>;

  // Calls `at_sync` at every sync, before the sync takes effect, on the thread that syncs.
  explicit PowerLossHooks(std::function<void(const PowerLossHooks&)> at_sync) : at_sync_(std::move(at_sync)) {}

  // The files if the power failed now. `seed` decides what torn writes leave.
  Image ImageNow(Unsynced unsynced, uint64_t seed) const;

  Verdict Before(const FileCall& call) override;

 private:
  struct Change {
    int64_t offset;  // or the new size
    std::string bytes;
    bool is_truncate;
  };
  struct File {
    std::string durable;
    bool exists = false;  // durably
    std::vector<Change> pending;
  };

  static void Apply(const Change& change, std::string& content);

  const std::function<void(const PowerLossHooks&)> at_sync_;
  mutable std::mutex mutex_;
  std::map<std::string, File> files_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dmfrag::storage::sqlite

#endif  // DMFRAG_STORAGE_SQLITE_TESTING_POWER_LOSS_HOOKS_H_
