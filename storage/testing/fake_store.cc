#include "storage/testing/fake_store.h"

#include <utility>

#include "storage/testing/fake_reader.h"
#include "storage/testing/fake_writer.h"

namespace dmfrag::storage {
namespace {

constexpr size_t kQueuedUnits = 65536;

}  // namespace

FakeStore::FakeStore()
    : reader_(std::make_unique<FakeReader>(&mutex_, &state_)),
      queue_(kQueuedUnits),
      thread_([this] { RunUntilClosed(); }) {}

FakeStore::~FakeStore() {
  Release();
  queue_.Close();
  thread_.join();
}

void FakeStore::Commit(Work work, Done done) { queue_.Push(std::move(work), std::move(done)); }

const Reader& FakeStore::reader() const { return *reader_; }

void FakeStore::FailCommits(absl::Status status) {
  std::lock_guard<std::mutex> lock(mutex_);
  failure_ = std::move(status);
}

void FakeStore::Hold() {
  std::lock_guard<std::mutex> lock(mutex_);
  held_ = true;
}

void FakeStore::Release() {
  std::lock_guard<std::mutex> lock(mutex_);
  held_ = false;
  released_.notify_one();
}

std::vector<EventRow> FakeStore::events() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<EventRow> events;
  for (const auto& [number, event] : state_.events) events.push_back(event);
  return events;
}

void FakeStore::RunUntilClosed() {
  while (true) {
    std::vector<CommitUnit> units = queue_.Take(1);
    if (units.empty()) return;
    if (units.front().work != nullptr) RunUnit(units.front());
    CallDone(units);
  }
}

void FakeStore::RunUnit(CommitUnit& unit) {
  std::unique_lock<std::mutex> lock(mutex_);
  released_.wait(lock, [this] { return !held_; });
  FakeWriter writer(&state_);
  unit.status = failure_.ok() ? unit.work(writer) : failure_;
  if (!unit.status.ok()) writer.Undo();
}

}  // namespace dmfrag::storage
