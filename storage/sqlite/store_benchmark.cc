// What the store costs. Measured: wall time of the calls, commits included, on the file system of the temporary folder
// (--test_tmpdir or TMPDIR). Left out: making the rows.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <latch>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/sqlite/sqlite_store.h"
#include "storage/testing/test_rows.h"
#include "third_party/abseil_extras/check.h"

namespace dmfrag::storage {
namespace {

constexpr int64_t kChunk = 16384;

// SplitMix64's finalizer, so that digests come in random order, as real ones do.
uint64_t Scrambled(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

JobRow JobOf(int64_t id) {
  JobRow job = TestJob(id, 1);
  job.spec_digest.clear();
  for (uint64_t part = 0; part < 4; ++part) {
    const uint64_t bits = Scrambled(static_cast<uint64_t>(id) * 4 + part);
    job.spec_digest.append(reinterpret_cast<const char*>(&bits), sizeof(bits));
  }
  return job;
}

// A store in a folder of its own, with experiment 1 and template 1.
class BenchmarkStore {
 public:
  explicit BenchmarkStore(Durability durability) {
    const char* folder = std::getenv("TMPDIR");
    path_ = absl::StrCat(folder == nullptr ? "/tmp" : folder, "/store_benchmark_", getpid(), ".db");
    Remove();
    options_.durability = durability;
    Open();
    CHECK(store_->CommitAndWait(MakeExperiment(1, 0, 1, 1)).ok());
  }
  ~BenchmarkStore() {
    store_.reset();
    Remove();
  }

  Store& operator*() { return *store_; }
  void Open() {
    absl::StatusOr<std::unique_ptr<Store>> store = OpenSqliteStore(path_, options_);
    CHECK(store.ok());
    store_ = *std::move(store);
  }
  void Close() { store_.reset(); }

  // Adds jobs and links of experiment 1, in chunks.
  void AddJobs(int64_t first, int64_t count, int64_t chunk = kChunk) {
    for (int64_t begin = first; begin < first + count; begin += chunk) {
      AddChunk(begin, std::min(chunk, first + count - begin));
    }
  }
  void AddChunk(int64_t first, int64_t count) {
    std::vector<JobRow> jobs;
    std::vector<LinkRow> links;
    for (int64_t id = first; id < first + count; ++id) {
      jobs.push_back(JobOf(id));
      links.push_back(LinkRow{1, id, 0, id, false});
    }
    CHECK(store_->CommitAndWait([&](Writer& writer) { return writer.InsertJobs(1, jobs, links, first + count); }).ok());
  }

 private:
  void Remove() {
    for (const char* suffix : {"", "-wal", "-shm", ".lock"}) std::filesystem::remove(path_ + suffix);
  }

  std::string path_;
  SqliteOptions options_;
  std::unique_ptr<Store> store_;
};

// Rows of jobs and links together: the first argument's count of jobs, in chunks of the second. Digests come in random
// order, so a chunk changes about as many pages of their index as it has jobs: larger chunks write less.
void BM_InsertJobsAndLinks(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    auto store = std::make_unique<BenchmarkStore>(Durability::kFull);
    state.ResumeTiming();
    store->AddJobs(1, state.range(0), state.range(1));
    state.PauseTiming();
    store.reset();
    state.ResumeTiming();
  }
  state.counters["rows/s"] =
      benchmark::Counter(static_cast<double>(2 * state.range(0) * state.iterations()), benchmark::Counter::kIsRate);
}
BENCHMARK(BM_InsertJobsAndLinks)
    ->Args({100'000, 4096})
    ->Args({1'000'000, 4096})
    ->Args({1'000'000, 16384})
    ->Args({1'000'000, 65536})
    ->Iterations(1)
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

// What one no-op job costs the store after its submit: an attempt, its end, its result, an event; one unit each, as
// many waiting as a server has.
void BM_FinishJobs(benchmark::State& state) {
  const int64_t jobs = 50'000;
  for (auto _ : state) {
    state.PauseTiming();
    auto store = std::make_unique<BenchmarkStore>(static_cast<Durability>(state.range(0)));
    store->AddJobs(1, jobs);
    std::vector<ResultRow> rows;
    for (int64_t id = 1; id <= jobs; ++id) {
      ResultRow row = TestResult(id, id);
      row.result.Clear();
      row.result.set_outcome(v1::OUTCOME_COMPLETED);
      row.result.mutable_metrics()->set_operations(0);
      row.worker = "9b2e4f0a-7a44-4d2e-8d3c-0f6f1f3d2c11";
      rows.push_back(std::move(row));
    }
    std::latch pending(static_cast<int>(jobs));
    state.ResumeTiming();
    for (const ResultRow& row : rows) {
      (**store).Commit(
          [&row](Writer& writer) -> absl::Status {
            AttemptRow attempt = TestAttempt(row.job_id, 1, row.fence);
            attempt.worker = row.worker;
            absl::Status status = writer.InsertAttempt(attempt);
            status.Update(writer.EndAttempt(AttemptEnd{row.job_id, 1, row.commit_time, {}, "", ""}));
            status.Update(writer.InsertResult(row));
            status.Update(writer.InsertEvent(EventRow{row.commit_time, "job_done", 0, row.job_id, 1, ""}));
            return status;
          },
          [&](const absl::Status& status) {
            CHECK(status.ok());
            pending.count_down();
          });
    }
    pending.wait();
    state.PauseTiming();
    store.reset();
    state.ResumeTiming();
  }
  state.counters["jobs/s"] =
      benchmark::Counter(static_cast<double>(jobs * state.iterations()), benchmark::Counter::kIsRate);
}
BENCHMARK(BM_FinishJobs)
    ->Arg(static_cast<int>(Durability::kFull))
    ->Arg(static_cast<int>(Durability::kNormal))
    ->Arg(static_cast<int>(Durability::kOff))
    ->Iterations(2)
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

// One unit at a time: the time from its Commit to its `done`.
void BM_CommitLatency(benchmark::State& state) {
  BenchmarkStore store(static_cast<Durability>(state.range(0)));
  int64_t id = 100;
  for (auto _ : state) {
    ++id;
    CHECK((*store).CommitAndWait([id](Writer& writer) { return writer.InsertTemplate(id, {}); }).ok());
  }
}
BENCHMARK(BM_CommitLatency)
    ->Arg(static_cast<int>(Durability::kFull))
    ->Arg(static_cast<int>(Durability::kNormal))
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();

// Opening a store of a million queued jobs, check included, and reading all of them, as a restarted server does.
void BM_Recover(benchmark::State& state) {
  BenchmarkStore store(Durability::kNormal);
  store.AddJobs(1, state.range(0));
  int64_t visited = 0;
  for (auto _ : state) {
    store.Close();
    store.Open();
    CHECK((*store).reader().VisitLinks(1, [&](const LinkRow&, const JobRow&) { ++visited; }).ok());
  }
  CHECK(visited == state.range(0) * static_cast<int64_t>(state.iterations()));
}
BENCHMARK(BM_Recover)->Arg(1'000'000)->Iterations(1)->Unit(benchmark::kMillisecond)->UseRealTime();

// Cancelling an experiment whose jobs all wait.
void BM_Cancel(benchmark::State& state) {
  BenchmarkStore store(Durability::kFull);
  store.AddJobs(1, state.range(0));
  for (auto _ : state) {
    CHECK((*store)
              .CommitAndWait([](Writer& writer) {
                return writer.EndExperiment(1, v1::EXPERIMENT_STATE_CANCELLED, absl::UnixEpoch(), {});
              })
              .ok());
  }
}
BENCHMARK(BM_Cancel)->Arg(1'000'000)->Iterations(1)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace dmfrag::storage

BENCHMARK_MAIN();
