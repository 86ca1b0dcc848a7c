#ifndef DMFRAG_SERVER_COORDINATOR_COORDINATOR_H_
#define DMFRAG_SERVER_COORDINATOR_COORDINATOR_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "dmfrag/v1/experiments.pb.h"
#include "dmfrag/v1/workers.pb.h"
#include "server/expansion/expansion.h"
#include "server/scheduler/scheduler.h"
#include "storage/store.h"

// Scheduler, store and workers' streams put together. What the scheduler decides is queued for the store under the same
// lock's order; what others hear of it (acknowledgements) waits for the commit.
namespace dmfrag::server {

using NowFn = std::function<absl::Time()>;

// The server's end of one worker's stream. Thread-safe; calls return at once.
class WorkerStream {
 public:
  virtual ~WorkerStream() = default;
  virtual void Send(v1::WorkResponse message) = 0;
  virtual void Close(const absl::Status& status) = 0;
};

struct CoordinatorOptions {
  SchedulerOptions scheduler;
  absl::Duration heartbeat = absl::Seconds(2);
};

// Thread-safe. Calls that submit or cancel block until they are durable; those of workers' streams never block.
class Coordinator {
 public:
  // Begins an epoch and takes up what an earlier server left. `store` must outlive the result.
  static absl::StatusOr<std::unique_ptr<Coordinator>> Create(storage::Store& store, const CoordinatorOptions& options,
                                                             NowFn now);
  ~Coordinator();

  // --- Experiments; see the RPCs of the same names.
  absl::StatusOr<v1::Experiment> CreateExperiment(const v1::CreateExperimentRequest& request);
  absl::StatusOr<v1::Experiment> CancelExperiment(int64_t id, const std::string& request_id);
  // Without base, axes and source_text if `brief`.
  absl::StatusOr<v1::Experiment> GetExperiment(int64_t id, bool brief) const;
  absl::StatusOr<std::vector<v1::Experiment>> ListExperiments(int64_t before_id, int64_t limit) const;
  // RUNNING or QUEUED if the job is not final; UNSPECIFIED otherwise.
  v1::JobState StateOf(int64_t job_id) const;

  // --- Workers.
  // Takes a worker's Hello and answers it on `stream`. Returns a number that names this stream from here on. Errors:
  // those of the RPC Work.
  absl::StatusOr<uint64_t> Connect(const v1::Hello& hello, std::shared_ptr<WorkerStream> stream);
  // Any message after Hello. Errors: kInvalidArgument if it breaks the protocol.
  absl::Status OnMessage(uint64_t stream_id, const v1::WorkRequest& message);
  void Disconnect(uint64_t stream_id);
  std::vector<v1::Worker> Workers() const;

  // Ends leases that ran out, and what else depends on time. Called a few times a second.
  void Tick();
  // Sends Drain to all workers and takes no more Connects.
  void Drain();
  uint64_t epoch() const { return epoch_; }

 private:
  struct ExperimentState {
    std::shared_ptr<const Expansion> expansion;
    std::string salt;
    int64_t jobs_made = 0;
    v1::Experiment brief;  // without base, axes, source_text, state, counts
    bool ending = false;   // its end is being written
    bool cancelled = false;
    bool end_written = false;  // its cancellation is durable
  };
  struct Session {
    uint64_t stream_id = 0;  // 0: not connected
    std::shared_ptr<WorkerStream> stream;
    v1::Worker worker;
    absl::Time last_seen;
  };
  // What is to be done once the lock is released: commits first, then messages.
  struct Outbox {
    std::vector<std::pair<storage::Store::Work, storage::Store::Done>> commits;
    std::vector<std::pair<std::shared_ptr<WorkerStream>, v1::WorkResponse>> messages;
  };

  Coordinator(storage::Store& store, const CoordinatorOptions& options, NowFn now, uint64_t epoch,
              storage::Reader::LastIds last);

  absl::Status Recover();
  absl::Status RecoverExperiment(const storage::ExperimentRow& row);
  absl::StatusOr<v1::Experiment> AnswerRepeated(const storage::RequestRow& row, const std::string& method,
                                                const storage::Digest& digest) const;
  v1::Experiment Brief(int64_t id, const ExperimentState& state) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // The materialiser: makes links and jobs of submitted experiments, chunk by chunk.
  void MaterialiseLoop();
  bool MaterialiseChunk(int64_t experiment_id);
  void Link(const storage::LinkRow& link, storage::JobRow job, Outbox& outbox) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AbandonExperiment(int64_t experiment_id, const absl::Status& reason);

  void Dispatch(Outbox& outbox) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  const v1::JobSpec& Template(int64_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnReport(const std::string& worker, const v1::AttemptReport& report, bool digest_ok, Outbox& outbox)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnFailure(const std::string& worker, const v1::AttemptReport& report, Outbox& outbox)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnResult(const std::string& worker, const v1::AttemptReport& report, Outbox& outbox)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  storage::Store::Done AcknowledgeOnceDurable(const std::string& worker, const v1::AttemptRef& ref);
  void OnResultCommitted(const std::string& worker, const v1::AttemptRef& ref, const absl::Status& status);
  void EndAttempts(const std::vector<EndedAttempt>& ended, const std::string& message, const std::string& stderr_tail,
                   Outbox& outbox) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndFinishedExperiments(Outbox& outbox) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Acknowledge(const std::string& worker, const v1::AttemptRef& ref, Outbox& outbox)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Session* FindStream(uint64_t stream_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Flush(Outbox outbox) ABSL_LOCKS_EXCLUDED(mutex_);

  storage::Store& store_;
  const CoordinatorOptions options_;
  const NowFn now_;
  const uint64_t epoch_;

  mutable std::mutex mutex_;         // std::, not absl::, which ThreadSanitizer cannot see into in Debian's build
  std::condition_variable changed_;  // there is something to materialise, a commit has ended, or we stop
  Scheduler scheduler_ ABSL_GUARDED_BY(mutex_);
  std::map<int64_t, ExperimentState> experiments_ ABSL_GUARDED_BY(mutex_);
  std::deque<int64_t> to_materialise_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<int64_t, std::unique_ptr<v1::JobSpec>> templates_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Session> sessions_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint64_t, std::string> worker_of_stream_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_stream_id_ ABSL_GUARDED_BY(mutex_) = 1;
  int64_t next_experiment_id_ ABSL_GUARDED_BY(mutex_);
  int64_t next_job_id_;       // the materialiser's alone
  int64_t next_template_id_;  // the materialiser's alone
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t open_commits_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread materialiser_;
};

}  // namespace dmfrag::server

#endif  // DMFRAG_SERVER_COORDINATOR_COORDINATOR_H_
