#ifndef DMFRAG_STORAGE_SQLITE_READER_POOL_H_
#define DMFRAG_STORAGE_SQLITE_READER_POOL_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "storage/sqlite/database.h"

namespace dmfrag::storage::sqlite {

// Read-only connections, opened when first needed. Thread-safe.
class ReaderPool {
 public:
  // A connection in use, with a transaction open, so that all it reads is one state of the file. Given back at the end
  // of the scope. Keep it short: it holds back checkpoints.
  class Snapshot {
   public:
    Snapshot(ReaderPool* pool, std::unique_ptr<Database> database) : pool_(pool), database_(std::move(database)) {}
    Snapshot(Snapshot&&) = default;
    Snapshot& operator=(Snapshot&&) = delete;
    ~Snapshot();

    Database& operator*() const { return *database_; }
    Database* operator->() const { return database_.get(); }

   private:
    ReaderPool* pool_;
    std::unique_ptr<Database> database_;
  };

  // `most`: connections, at least 1.
  ReaderPool(std::string path, std::string vfs, int most) : path_(std::move(path)), vfs_(std::move(vfs)), free_(most) {}

  // Waits for a connection. A thread that holds one must not ask for another.
  absl::StatusOr<Snapshot> Begin();

 private:
  absl::StatusOr<std::unique_ptr<Database>> Take();
  void GiveBack(std::unique_ptr<Database> database);

  const std::string path_;
  const std::string vfs_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int free_ ABSL_GUARDED_BY(mutex_);  // connections that may be taken, idle ones included
  std::vector<std::unique_ptr<Database>> idle_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dmfrag::storage::sqlite

#endif  // DMFRAG_STORAGE_SQLITE_READER_POOL_H_
