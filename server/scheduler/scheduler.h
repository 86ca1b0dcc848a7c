#ifndef DMFRAG_SERVER_SCHEDULER_SCHEDULER_H_
#define DMFRAG_SERVER_SCHEDULER_SCHEDULER_H_

#include <array>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "absl/time/time.h"
#include "dmfrag/v1/experiments.pb.h"
#include "dmfrag/v1/results.pb.h"

// Which job runs where: a pure state machine. It reads no clock, does no I/O and starts no thread; what it decides is
// returned, and made durable and sent by the coordinator.
//
// A job is QUEUED, then LEASED to one worker under a fence, then COMMITTING while its result is written, then final
// (SUCCEEDED, FAILED, CANCELLED) and forgotten, but for the fence of the last 65,536 that succeeded. A lease lives
// while its worker's heartbeats name it; a worker that comes back goes on with what it still holds, unless the job was
// leased again. Thread-compatible: the coordinator's lock guards it.
namespace dmfrag::server {

// One attempt: the fence alone identifies it, the rest is checked against it.
struct AttemptKey {
  int64_t job_id = 0;
  uint32_t attempt = 0;
  uint64_t fence = 0;
  friend bool operator==(const AttemptKey&, const AttemptKey&) = default;
};

struct SchedulerOptions {
  absl::Duration lease = absl::Seconds(10);
  // A job that failed this often by the infrastructure's fault, or was lost this often with its worker, is set aside
  // (HyperQueue's crash limit is 5).
  uint32_t max_infra_failures = 3;
  uint32_t max_lost = 5;
};

// A job as it enters the scheduler.
struct QueuedJob {
  int64_t id = 0;
  int64_t template_id = 0;
  uint64_t seed = 0;
  std::array<char, 32> spec_digest = {};
  uint32_t attempts = 0;
  uint32_t infra_failures = 0;
  uint32_t lost = 0;
};

// A lease just given.
struct Lease {
  AttemptKey key;
  std::string worker;
  int64_t template_id = 0;
  uint64_t seed = 0;
  std::array<char, 32> spec_digest = {};
};

// An attempt that ended without a result, and what becomes of its job.
struct EndedAttempt {
  AttemptKey key;
  std::string worker;
  v1::FailureClass failure_class = v1::FAILURE_CLASS_UNSPECIFIED;  // UNSPECIFIED: given back
  bool set_aside = false;                                          // the job is FAILED; otherwise it is queued again
};

// What to do with a reported result.
enum class Verdict {
  kCommit,         // write it, then call Committed or CommitFailed
  kPending,        // it is being written: say nothing yet
  kAlreadyStored,  // it was written before: acknowledge
  kStale,          // another attempt has the job: keep it as evidence, acknowledge
};

class Scheduler {
 public:
  Scheduler(const SchedulerOptions& options, uint64_t epoch);

  // --- Experiments and jobs.

  // REQUIRES: `id` is new.
  void AddExperiment(int64_t id, int32_t priority, int64_t total);
  // The experiment wants a job that is not final. A job the scheduler knows already is shared: `job` is then ignored.
  void AddLink(int64_t experiment, const QueuedJob& job, bool cached);
  // The experiment wants a job that is final already.
  void AddFinalLink(int64_t experiment, v1::JobState state, bool cached);
  bool Knows(int64_t job_id) const { return jobs_.contains(job_id); }
  // Releases the experiment's links. Jobs that nobody else wants are CANCELLED; of these, `revoke` names running ones.
  // Jobs whose result is being written keep their link, and are counted as succeeded.
  struct Cancelled {
    std::vector<Lease> revoke;
    v1::JobCounts counts;
  };
  Cancelled Cancel(int64_t experiment);
  // Counts by state; `total` as added.
  v1::JobCounts Counts(int64_t experiment) const;
  // Every job of the experiment is final. False while links are still to come.
  bool IsFinished(int64_t experiment) const;
  // Forgets an experiment that is finished.
  void RemoveExperiment(int64_t experiment);
  bool HasExperiment(int64_t experiment) const { return experiments_.contains(experiment); }
  v1::JobState StateOf(int64_t job_id) const;  // UNSPECIFIED if not known

  // --- Workers.

  // A lease that was open when the server died; its worker has one lease time to come back.
  void RestoreLease(const AttemptKey& key, const std::string& worker, absl::Time now);
  // A worker connects and says what it holds. Returns what it goes on with: leases of its own, and attempts of jobs
  // that nobody holds. Credits start at 0.
  std::vector<AttemptKey> Connect(const std::string& worker, const std::vector<AttemptKey>& held, absl::Time now);
  // Its stream broke: no more assignments; leases stay until they expire.
  void Disconnect(const std::string& worker);
  void AddCredits(const std::string& worker, uint32_t credits);
  void Heartbeat(const std::string& worker, const std::vector<AttemptKey>& held, absl::Time now);
  // Leases queued jobs to workers with credits, one to each in turn; higher priorities first, experiments of one
  // priority in turn. At most `limit`.
  std::vector<Lease> Assign(absl::Time now, size_t limit);
  // Ends leases whose worker was silent for too long.
  std::vector<EndedAttempt> Expire(absl::Time now);

  // --- Ends of attempts.

  Verdict OnResult(const AttemptKey& key);
  void Committed(int64_t job_id);
  // The result could not be written: the lease lives on, and the worker sends it again.
  void CommitFailed(int64_t job_id, absl::Time now);
  // A worker reports a failure. Nothing if the attempt is stale.
  std::vector<EndedAttempt> OnFailure(const AttemptKey& key, v1::FailureClass failure_class);
  // A worker that stops returns an attempt it did not begin: nobody's fault, and it counts towards no limit.
  std::vector<EndedAttempt> GiveBack(const AttemptKey& key);

  size_t queued() const { return queued_; }
  size_t running() const { return leased_.size(); }
  size_t running_on(const std::string& worker) const;

 private:
  enum class State { kQueued, kLeased, kCommitting };
  struct Job {
    QueuedJob spec;
    State state = State::kQueued;
    AttemptKey lease;  // valid unless kQueued
    std::string worker;
    absl::Time deadline;
    absl::InlinedVector<int64_t, 1> experiments;
  };
  struct ExperimentEntry {
    int32_t priority = 0;
    int64_t total = 0;
    int64_t linked = 0;
    int64_t queued = 0;
    int64_t running = 0;
    int64_t succeeded = 0;
    int64_t failed = 0;
    int64_t cancelled = 0;
    int64_t cached = 0;
    std::deque<int64_t> ready;  // may hold jobs that are queued no more
    bool in_rotation = false;
    std::vector<int64_t> jobs;  // links to jobs that were not final when added
  };
  struct WorkerEntry {
    bool connected = false;
    uint32_t credits = 0;
    size_t running = 0;
  };

  void Rotate(int64_t experiment);
  Job* NextQueued();
  void LeaseTo(Job& job, const std::string& worker, const AttemptKey& key, absl::Time now);
  void EndLease(Job& job);
  void Finish(int64_t job_id, v1::JobState state);
  Job* FindLeased(const AttemptKey& key);
  EndedAttempt FailAttempt(Job& job, v1::FailureClass failure_class);
  void Requeue(Job& job);

  SchedulerOptions options_;
  uint64_t next_fence_;
  absl::flat_hash_map<int64_t, Job> jobs_;
  absl::flat_hash_set<int64_t> leased_;  // jobs that are not queued
  std::map<int64_t, ExperimentEntry> experiments_;
  std::map<int32_t, std::list<int64_t>, std::greater<int32_t>> rotation_;  // by priority: experiments with ready jobs
  std::map<std::string, WorkerEntry> workers_;
  std::string last_assigned_;                            // worker; the next in turn comes after it
  absl::flat_hash_map<int64_t, uint64_t> stored_fence_;  // of jobs that succeeded lately
  std::deque<int64_t> stored_order_;
  size_t queued_ = 0;
};

}  // namespace dmfrag::server

#endif  // DMFRAG_SERVER_SCHEDULER_SCHEDULER_H_
