#ifndef DMFRAG_STORAGE_TESTING_FAKE_STORE_H_
#define DMFRAG_STORAGE_TESTING_FAKE_STORE_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "storage/commit_queue.h"
#include "storage/store.h"
#include "storage/testing/fake_state.h"

namespace dmfrag::storage {

// A store in memory for tests of the server, held to the same contract as the real one (store_contract.h). Units run
// one by one on a thread of its own, and `done` is called on that thread. A unit's work must use its Writer alone: the
// reader waits for the unit to end. Thread-safe.
class FakeStore : public Store {
 public:
  FakeStore();
  // Runs what is queued, as the real one does.
  ~FakeStore() override;

  void Commit(Work work, Done done) override;
  const Reader& reader() const override;

  // From now on every unit fails with `status`, as with a full disk, and nothing of it is kept. OK: units succeed
  // again.
  void FailCommits(absl::Status status);
  // Units wait until Release, as with a slow disk.
  void Hold();
  void Release();
  // All events committed so far.
  std::vector<EventRow> events() const;

 private:
  void RunUntilClosed();
  void RunUnit(CommitUnit& unit);

  mutable std::mutex mutex_;
  std::condition_variable released_;
  FakeState state_ ABSL_GUARDED_BY(mutex_);
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  const std::unique_ptr<Reader> reader_;
  CommitQueue queue_;
  std::thread thread_;
};

}  // namespace dmfrag::storage

#endif  // DMFRAG_STORAGE_TESTING_FAKE_STORE_H_
