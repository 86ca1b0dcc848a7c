#ifndef DMFRAG_STORAGE_SQLITE_TESTING_FAULT_HOOKS_H_
#define DMFRAG_STORAGE_SQLITE_TESTING_FAULT_HOOKS_H_

#include <mutex>

#include "absl/base/thread_annotations.h"
#include "storage/sqlite/testing/shim_vfs.h"

namespace dmfrag::storage::sqlite {

// Which call fails, and how.
struct Fault {
  FileOperation operation = FileOperation::kWrite;
  int number = 0;          // the n-th call of that operation, from 1
  int code = 0;            // result code for SQLite
  bool lasting = false;    // so do all later ones, until Clear
  bool half_done = false;  // a failing write has written half
};

// Fails calls by plan. Thread-safe.
class FaultHooks : public FileCallHooks {
 public:
  // Starts to count anew.
  void Plan(const Fault& fault);
  // No call fails any more.
  void Clear();
  // A call has failed since Plan.
  bool fired() const;

  Verdict Before(const FileCall& call) override;

 private:
  mutable std::mutex mutex_;
  Fault fault_ ABSL_GUARDED_BY(mutex_);
  int seen_ ABSL_GUARDED_BY(mutex_) = 0;
  bool active_ ABSL_GUARDED_BY(mutex_) = false;
  bool fired_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace dmfrag::storage::sqlite

#endif  // DMFRAG_STORAGE_SQLITE_TESTING_FAULT_HOOKS_H_
