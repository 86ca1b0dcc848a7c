#ifndef DMFRAG_STORAGE_STORE_H_
#define DMFRAG_STORAGE_STORE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "dmfrag/v1/captures.pb.h"
#include "dmfrag/v1/experiments.pb.h"
#include "dmfrag/v1/job_spec.pb.h"
#include "dmfrag/v1/results.pb.h"

// What the server keeps for ever: experiments, jobs, attempts, results, captures' names, events.
//
// One thread of the store writes, in groups: Store::Commit queues a unit of work, and every unit that waits goes into
// one transaction. Reads come from other, read-only connections and see what is committed. Ids are chosen by the
// caller.
namespace dmfrag::storage {

// SHA-256 as 32 raw bytes.
using Digest = std::string;

struct ExperimentRow {
  int64_t id = 0;
  v1::Experiment experiment;  // as submitted: `name`, `state`, `counts`, `*_time` are not read from here on a write
  v1::ExperimentState state = v1::EXPERIMENT_STATE_ACTIVE;
  int64_t points = 0;
  int64_t jobs_total = 0;  // points times replicates
  int64_t jobs_made = 0;   // links made so far, in order of (point, replicate)
  std::string salt;        // "" or, for no_cache, unique
  absl::Time create_time;
  std::optional<absl::Time> end_time;
  v1::JobCounts final_counts;  // valid once `state` is not ACTIVE
};

// Answer to a request_id that was seen before.
struct RequestRow {
  std::string method;         // e.g. "CreateExperiment"
  Digest request_digest;      // of what was asked
  int64_t experiment_id = 0;  // what it made or changed
};

// A job as the scheduler needs it.
struct JobRow {
  int64_t id = 0;
  Digest spec_digest;
  uint32_t model_version = 0;
  std::string salt;
  int64_t template_id = 0;  // its spec without the seed
  uint64_t seed = 0;
  v1::JobState state = v1::JOB_STATE_QUEUED;
  uint32_t attempts = 0;        // attempts leased so far
  uint32_t infra_failures = 0;  // ended as FAILURE_CLASS_INFRA
  uint32_t lost = 0;            // ended as FAILURE_CLASS_LOST
};

// That an experiment wants a job.
struct LinkRow {
  int64_t experiment_id = 0;
  int64_t point = 0;
  int64_t replicate = 0;
  int64_t job_id = 0;
  bool cached = false;  // the job had a result, or belonged to another experiment, when the link was made
};

struct AttemptRow {
  int64_t job_id = 0;
  uint32_t number = 0;
  uint64_t fence = 0;
  uint64_t epoch = 0;
  std::string worker;
  absl::Time start_time;
};

struct AttemptEnd {
  int64_t job_id = 0;
  uint32_t number = 0;
  absl::Time end_time;
  v1::FailureClass failure_class = v1::FAILURE_CLASS_UNSPECIFIED;  // UNSPECIFIED: it succeeded
  std::string failure;
  std::string stderr_tail;  // at most 64 KiB
};

struct ResultRow {
  int64_t job_id = 0;
  uint32_t attempt = 0;
  uint64_t fence = 0;
  std::string worker;
  Digest result_digest;
  v1::JobResult result;
  uint64_t wall_us = 0;  // what the attempt cost; no part of the result
  uint64_t cpu_us = 0;
  absl::Time commit_time;
};

struct EventRow {
  absl::Time time;
  std::string kind;           // e.g. "job_leased"
  int64_t experiment_id = 0;  // 0: none
  int64_t job_id = 0;         // 0: none
  uint32_t attempt = 0;       // 0: none
  std::string detail;
};

// One comparison of ListResultsRequest.filter; `field` is checked against the metric registry and a fixed list.
struct Comparison {
  std::string field;  // a metric's name, "point", "replicate", "state"
  std::string op;     // = != < <= > >=
  int64_t value = 0;  // for "state" the enum's number
};

struct ResultQuery {
  int64_t experiment_id = 0;
  std::vector<Comparison> where;  // all must hold
  int64_t after_point = -1;       // keyset: rows after (point, replicate)
  int64_t after_replicate = -1;
  int64_t limit = 100;
  bool with_spec = false;
  bool with_details = false;  // time_series and replay
};

// Writes inside one unit of work. Used on the store's thread alone, only while the unit runs. A method that fails has
// changed nothing. Errors of every method, beside its own:
//   kNotFound: a row that is named (an experiment, a template, a job) does not exist. The text says which.
//   kInvalidArgument: a digest that is not 32 bytes, or another value that cannot be kept.
//   kResourceExhausted: the disk is full. kUnavailable: it does not take writes now. kDataLoss: the file is damaged.
//   kInternal: a bug of ours.
// After the last two lines every further method of the unit fails with that status, and so does the unit, whatever its
// work returns.
class Writer {
 public:
  virtual ~Writer() = default;

  // Begins an epoch: one more than the last, returned.
  virtual absl::StatusOr<uint64_t> StartEpoch(absl::Time now) = 0;

  // Errors: kAlreadyExists if the id or the request_id exists.
  virtual absl::Status InsertExperiment(const ExperimentRow& row, const std::string& request_id,
                                        const Digest& request_digest) = 0;
  // Adds a spec template (a canonical spec without its seed).
  virtual absl::Status InsertTemplate(int64_t template_id, const v1::JobSpec& spec) = 0;
  // Adds new jobs and links, and sets the experiment's jobs_made. Errors: kAlreadyExists if (spec_digest,
  // model_version, salt) of a new job exists.
  virtual absl::Status InsertJobs(int64_t experiment_id, const std::vector<JobRow>& new_jobs,
                                  const std::vector<LinkRow>& links, int64_t jobs_made) = 0;

  // Errors: kAlreadyExists if the job has an attempt of that number.
  virtual absl::Status InsertAttempt(const AttemptRow& row) = 0;
  // Ends an attempt; adds to the job's infra_failures or lost. An attempt that has ended keeps its first end: no error,
  // and nothing is counted again. Errors: kNotFound if there is no such attempt; kInvalidArgument if stderr_tail is too
  // long.
  virtual absl::Status EndAttempt(const AttemptEnd& end) = 0;
  // Stores the job's result, sets its state to SUCCEEDED and clears its failure text. Errors: kAlreadyExists if it has
  // one: nothing is changed. kInvalidArgument if the result holds fields unknown to this program, or a time series
  // above 64 KiB.
  virtual absl::Status InsertResult(const ResultRow& row) = 0;
  // Keeps a result that came late or twice; the same (job, attempt, fence, digest) again is kept once, without error.
  virtual absl::Status InsertDuplicate(const ResultRow& row, const std::string& reason) = 0;
  // Sets a job's state (not SUCCEEDED) and its failure text. A job that has a result keeps SUCCEEDED.
  virtual absl::Status SetJobState(int64_t job_id, v1::JobState state, const std::string& failure) = 0;

  // Ends an experiment with its final counts. CANCELLED also releases its links to jobs that have not ended: from then
  // on they show CANCELLED and no result, whatever becomes of the job.
  virtual absl::Status EndExperiment(int64_t experiment_id, v1::ExperimentState state, absl::Time end_time,
                                     const v1::JobCounts& counts) = 0;
  // Remembers a request that made nothing new. Errors: kAlreadyExists.
  virtual absl::Status InsertRequest(const std::string& request_id, const RequestRow& row) = 0;

  virtual absl::Status InsertCapture(const v1::Capture& capture) = 0;  // again: no error
  virtual absl::Status InsertEvent(const EventRow& event) = 0;
};

// Reads what is committed. Thread-safe. Missing rows are kNotFound.
class Reader {
 public:
  virtual ~Reader() = default;

  virtual absl::StatusOr<ExperimentRow> GetExperiment(int64_t id) const = 0;
  // Newest first, ids below `before_id` (0: from the newest).
  virtual absl::StatusOr<std::vector<ExperimentRow>> ListExperiments(int64_t before_id, int64_t limit) const = 0;
  virtual absl::StatusOr<RequestRow> GetRequest(const std::string& request_id) const = 0;

  // Result k is the job with digests[k], or nothing.
  virtual absl::StatusOr<std::vector<std::optional<JobRow>>> FindJobs(const std::vector<Digest>& digests,
                                                                      uint32_t model_version,
                                                                      const std::string& salt) const = 0;
  virtual absl::StatusOr<v1::JobSpec> GetTemplate(int64_t template_id) const = 0;
  // Whole: spec (with seed), result with details, attempts, duplicates.
  virtual absl::StatusOr<v1::Result> GetResult(int64_t job_id) const = 0;
  // In order of (point, replicate), released links included; `axis_labels` are left to the caller. Errors:
  // kInvalidArgument for an unknown field (the text names the nearest) or operator, or a limit below 1.
  virtual absl::StatusOr<std::vector<v1::Result>> ListResults(const ResultQuery& query) const = 0;
  virtual absl::StatusOr<std::vector<v1::Attempt>> ListAttempts(int64_t job_id) const = 0;
  virtual absl::StatusOr<v1::Capture> GetCapture(const std::string& name) const = 0;

  // For recovery at the start.
  virtual absl::StatusOr<std::vector<ExperimentRow>> ActiveExperiments() const = 0;
  // Calls `visit` for each link of the experiment with its job, in order of (point, replicate). `visit` must not read
  // from the store.
  virtual absl::Status VisitLinks(int64_t experiment_id,
                                  const std::function<void(const LinkRow&, const JobRow&)>& visit) const = 0;
  // Attempts without an end, of jobs without a result.
  virtual absl::StatusOr<std::vector<AttemptRow>> OpenAttempts() const = 0;
  struct LastIds {
    int64_t experiment = 0;
    int64_t job = 0;
    int64_t spec_template = 0;
    uint64_t fence = 0;  // greatest of the attempts committed
    uint64_t epoch = 0;
  };
  virtual absl::StatusOr<LastIds> GetLastIds() const = 0;
};

// Thread-safe.
class Store {
 public:
  using Work = std::function<absl::Status(Writer&)>;
  using Done = std::function<void(const absl::Status&)>;

  virtual ~Store() = default;

  // Queues `work`. Units run in the order they were queued, many to a transaction; a unit that fails is undone alone.
  // `done` is called on the store's thread with the unit's status once the transaction is durable (or has failed, with
  // that status). Must not block on anything that waits for the store. Never drops a call of `done`.
  virtual void Commit(Work work, Done done) = 0;
  // Commit and wait. Not on the store's thread.
  absl::Status CommitAndWait(Work work);

  virtual const Reader& reader() const = 0;
};

}  // namespace dmfrag::storage

#endif  // DMFRAG_STORAGE_STORE_H_
