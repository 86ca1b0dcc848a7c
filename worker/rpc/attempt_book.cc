#include "worker/rpc/attempt_book.h"

#include <set>
#include <utility>

namespace dmfrag::worker {

void AttemptBook::Add(Attempt attempt) {
  const std::lock_guard lock(mutex_);
  const uint64_t fence = attempt.ref.fence();
  if (entries_.contains(fence)) return;
  entries_[fence].attempt = std::move(attempt);
  waiting_.push_back(fence);
  has_work_.notify_one();
}

void AttemptBook::Reject(v1::AttemptReport report) {
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[report.ref().fence()];
  entry.attempt.ref = report.ref();
  entry.state = State::kReported;
  entry.report = std::move(report);
  ++unsent_;
  has_unsent_.notify_all();
}

std::vector<Attempt> AttemptBook::Take(size_t limit) {
  std::unique_lock lock(mutex_);
  std::vector<Attempt> taken;
  while (taken.empty()) {
    has_work_.wait(lock, [&] { return stopped_ || !waiting_.empty(); });
    if (stopped_) return {};
    while (!waiting_.empty() && taken.size() < limit) {
      const auto entry = entries_.find(waiting_.front());
      waiting_.pop_front();
      if (entry == entries_.end()) continue;
      entry->second.state = State::kRunning;
      taken.push_back(entry->second.attempt);
    }
  }
  return taken;
}

void AttemptBook::Finish(v1::AttemptReport report) {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(report.ref().fence());
  if (entry == entries_.end() || entry->second.state != State::kRunning) return;
  entry->second.state = State::kReported;
  entry->second.attempt.spec.Clear();
  entry->second.report = std::move(report);
  ++unsent_;
  has_unsent_.notify_all();
}

std::vector<v1::AttemptReport> AttemptBook::ReportsToSend(absl::Time now, absl::Duration resend_after,
                                                          size_t max_bytes) {
  const std::lock_guard lock(mutex_);
  std::vector<v1::AttemptReport> reports;
  size_t bytes = 0;
  for (auto& [fence, entry] : entries_) {
    const bool due = entry.state == State::kReported && (!entry.sent.has_value() || now - *entry.sent >= resend_after);
    if (!due) continue;
    bytes += entry.report.ByteSizeLong();
    if (bytes > max_bytes && !reports.empty()) break;
    reports.push_back(entry.report);
    if (!entry.sent.has_value()) --unsent_;
    entry.sent = now;
  }
  return reports;
}

void AttemptBook::AwaitReport(absl::Time deadline) {
  std::unique_lock lock(mutex_);
  has_unsent_.wait_until(lock, absl::ToChronoTime(deadline), [&] { return unsent_ > 0; });
}

void AttemptBook::Erase(std::map<uint64_t, Entry>::iterator entry) {
  if (entry->second.state == State::kReported && !entry->second.sent.has_value()) --unsent_;
  entries_.erase(entry);
}

void AttemptBook::Forget(const v1::AttemptRef& ref) {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(ref.fence());
  if (entry != entries_.end()) Erase(entry);
}

void AttemptBook::KeepOnly(const std::vector<v1::AttemptRef>& adopted) {
  std::set<uint64_t> keep;
  for (const v1::AttemptRef& ref : adopted) keep.insert(ref.fence());
  const std::lock_guard lock(mutex_);
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto next = std::next(entry);
    if (!keep.contains(entry->first)) Erase(entry);
    entry = next;
  }
  for (auto& [fence, entry] : entries_) {
    if (entry.state != State::kReported || !entry.sent.has_value()) continue;
    entry.sent.reset();
    ++unsent_;
  }
}

std::vector<v1::AttemptRef> AttemptBook::GiveBackWaiting() {
  const std::lock_guard lock(mutex_);
  std::vector<v1::AttemptRef> given_back;
  for (const uint64_t fence : waiting_) {
    const auto entry = entries_.find(fence);
    if (entry == entries_.end()) continue;
    given_back.push_back(entry->second.attempt.ref);
    Erase(entry);
  }
  waiting_.clear();
  return given_back;
}

std::vector<v1::AttemptRef> AttemptBook::Held() const {
  const std::lock_guard lock(mutex_);
  std::vector<v1::AttemptRef> held;
  for (const auto& [fence, entry] : entries_) held.push_back(entry.attempt.ref);
  return held;
}

size_t AttemptBook::Unfinished() const {
  const std::lock_guard lock(mutex_);
  size_t count = 0;
  for (const auto& [fence, entry] : entries_) count += entry.state != State::kReported ? 1 : 0;
  return count;
}

size_t AttemptBook::Waiting() const {
  const std::lock_guard lock(mutex_);
  size_t count = 0;
  for (const auto& [fence, entry] : entries_) count += entry.state == State::kWaiting ? 1 : 0;
  return count;
}

void AttemptBook::Stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  has_work_.notify_all();
}

}  // namespace dmfrag::worker
