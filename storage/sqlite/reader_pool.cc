#include "storage/sqlite/reader_pool.h"

#include <utility>

#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::storage::sqlite {
namespace {

constexpr char kBeginSql[] = "BEGIN";
constexpr char kEndSql[] = "COMMIT";

}  // namespace

ReaderPool::Snapshot::~Snapshot() {
  if (database_ == nullptr) return;
  // A connection that failed may be of no use any more: it is closed, and the next one is opened afresh.
  if (!database_->Run(kEndSql).ok()) database_ = nullptr;
  pool_->GiveBack(std::move(database_));
}

absl::StatusOr<ReaderPool::Snapshot> ReaderPool::Begin() {
  absl::StatusOr<std::unique_ptr<Database>> database = Take();
  absl::Status status = database.status();
  if (status.ok()) status = (*database)->Run(kBeginSql);
  if (status.ok()) return Snapshot(this, *std::move(database));
  GiveBack(nullptr);
  return status;
}

absl::StatusOr<std::unique_ptr<Database>> ReaderPool::Take() {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return free_ > 0; });
    --free_;
    if (!idle_.empty()) {
      std::unique_ptr<Database> database = std::move(idle_.back());
      idle_.pop_back();
      return database;
    }
  }
  return Database::OpenReadOnly(path_, vfs_);
}

void ReaderPool::GiveBack(std::unique_ptr<Database> database) {
  std::lock_guard<std::mutex> lock(mutex_);
  ++free_;
  if (database != nullptr) idle_.push_back(std::move(database));
  changed_.notify_one();
}

}  // namespace dmfrag::storage::sqlite
