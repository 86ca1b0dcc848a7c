#include "storage/commit_queue.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace dmfrag::storage {

void CommitQueue::Push(Store::Work work, Store::Done done) {
  std::lock_guard<std::mutex> lock(mutex_);
  CommitUnit unit{std::move(work), std::move(done), absl::OkStatus()};
  if (waiting_work_ >= capacity_) {
    unit.work = nullptr;
    unit.status = absl::ResourceExhaustedError(
        absl::StrCat("the store is behind: ", capacity_, " units of work wait for the disk; try again later"));
  } else {
    ++waiting_work_;
  }
  units_.push_back(std::move(unit));
  changed_.notify_one();
}

std::vector<CommitUnit> CommitQueue::Take(size_t most) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return closed_ || !units_.empty(); });
  std::vector<CommitUnit> taken;
  const size_t count = std::min(most, units_.size());
  taken.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    if (units_.front().work != nullptr) --waiting_work_;
    taken.push_back(std::move(units_.front()));
    units_.pop_front();
  }
  return taken;
}

void CommitQueue::Close() {
  std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
  changed_.notify_one();
}

void CallDone(std::span<CommitUnit> units) {
  for (CommitUnit& unit : units) {
    if (unit.done) unit.done(unit.status);
  }
}

}  // namespace dmfrag::storage
