#include "storage/sqlite/sqlite_writer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/metric_fields.h"
#include "storage/row_checks.h"
#include "storage/row_time.h"
#include "storage/sqlite/result_columns.h"
#include "storage/sqlite/sql_uint64.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::storage::sqlite {
namespace {

constexpr char kSavepointSql[] = "SAVEPOINT method";
constexpr char kReleaseSql[] = "RELEASE method";
constexpr char kRollbackToSql[] = "ROLLBACK TO method";

constexpr char kLastFenceSql[] = "SELECT value FROM meta WHERE name = 'last_fence'";
constexpr char kSetLastFenceSql[] = "UPDATE meta SET value = ? WHERE name = 'last_fence'";
constexpr char kLastEpochSql[] = "SELECT IFNULL(MAX(epoch), 0) FROM epochs";
constexpr char kInsertEpochSql[] = "INSERT INTO epochs(epoch, start_time_ns) VALUES (?, ?)";

constexpr char kInsertExperimentSql[] =
    "INSERT INTO experiments(id, display_name, state, points, jobs_total, jobs_made, salt, create_time_ns, "
    "end_time_ns, "
    "final_counts, definition) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr char kEndExperimentSql[] = "UPDATE experiments SET state = ?, end_time_ns = ?, final_counts = ? WHERE id = ?";
constexpr char kSetJobsMadeSql[] = "UPDATE experiments SET jobs_made = ? WHERE id = ?";
constexpr char kInsertRequestSql[] =
    "INSERT INTO requests(request_id, method, request_digest, experiment_id) VALUES (?, ?, ?, ?)";

constexpr char kInsertTemplateSql[] = "INSERT INTO spec_templates(id, spec) VALUES (?, ?)";
constexpr char kInsertJobSql[] =
    "INSERT INTO jobs(id, spec_digest, model_version, salt, template_id, seed, state, infra_failures, lost, failure) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '')";
constexpr char kInsertLinkSql[] =
    "INSERT INTO links(experiment_id, point, replicate, job_id, cached, released) VALUES (?, ?, ?, ?, ?, 0)";
// Links to jobs that have ended, SUCCEEDED (3) or FAILED (4), keep what they have.
constexpr char kReleaseLinksSql[] =
    "UPDATE links SET released = 1 WHERE experiment_id = ? AND "
    "(SELECT state FROM jobs WHERE jobs.id = links.job_id) NOT IN (3, 4)";

constexpr char kInsertAttemptSql[] =
    "INSERT INTO attempts(job_id, number, fence, epoch, worker, start_time_ns, end_time_ns, failure_class, failure) "
    "VALUES (?, ?, ?, ?, ?, ?, NULL, 0, '')";
constexpr char kEndAttemptSql[] =
    "UPDATE attempts SET end_time_ns = ?, failure_class = ?, failure = ? "
    "WHERE job_id = ? AND number = ? AND end_time_ns IS NULL";
constexpr char kAttemptExistsSql[] = "SELECT COUNT(*) FROM attempts WHERE job_id = ? AND number = ?";
constexpr char kInsertAttemptLogSql[] = "INSERT INTO attempt_logs(job_id, number, stderr_tail) VALUES (?, ?, ?)";
constexpr char kAddInfraFailureSql[] = "UPDATE jobs SET infra_failures = infra_failures + 1 WHERE id = ?";
constexpr char kAddLostSql[] = "UPDATE jobs SET lost = lost + 1 WHERE id = ?";

constexpr char kSetSucceededSql[] = "UPDATE jobs SET state = 3, failure = '' WHERE id = ?";
constexpr char kSetJobStateSql[] = "UPDATE jobs SET state = ?, failure = ? WHERE id = ? AND state != 3";
constexpr char kJobExistsSql[] = "SELECT COUNT(*) FROM jobs WHERE id = ?";
constexpr char kInsertSeriesSql[] = "INSERT INTO series(job_id, time_series) VALUES (?, ?)";
constexpr char kInsertReplaySql[] = "INSERT INTO replays(job_id, report) VALUES (?, ?)";
constexpr char kInsertAttributionSql[] =
    "INSERT INTO attributions(job_id, position, key_id, value) VALUES (?, ?, ?, ?)";
constexpr char kInsertAttributionKeySql[] =
    "INSERT INTO attribution_keys(id, user, cache, metric) VALUES (NULL, ?, ?, ?) ON CONFLICT DO NOTHING";
constexpr char kAttributionKeySql[] = "SELECT id FROM attribution_keys WHERE user = ? AND cache = ? AND metric = ?";
constexpr char kInsertDuplicateSql[] =
    "INSERT INTO duplicate_results(id, job_id, attempt, fence, worker, result_digest, wall_us, cpu_us, commit_time_ns, "
    "reason, result) VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT(job_id, attempt, fence, result_digest) DO NOTHING";

constexpr char kInsertCaptureSql[] =
    "INSERT INTO captures(sha256, size_bytes, display_name, create_time_ns) VALUES (?, ?, ?, ?) "
    "ON CONFLICT(sha256) DO NOTHING";
constexpr char kInsertEventSql[] =
    "INSERT INTO events(id, time_ns, kind, experiment_id, job_id, attempt, detail) VALUES (NULL, ?, ?, ?, ?, ?, ?)";

// 0 stands for "none" in the rows of store.h, NULL in the file.
std::optional<int64_t> NullIfZero(int64_t value) { return value == 0 ? std::nullopt : std::optional(value); }

bool Spoils(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kInvalidArgument:
      return false;
    default:
      return true;
  }
}

// Says which row is meant, where SQLite names only the constraint.
absl::Status Explain(const absl::Status& status, absl::StatusCode code, const std::string& text) {
  return status.code() == code ? absl::Status(code, text) : status;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteWriter>> SqliteWriter::Create(Database* database) {
  ASSIGN_OR_RETURN(const int64_t last_fence, database->QueryInt64(kLastFenceSql));
  return std::unique_ptr<SqliteWriter>(new SqliteWriter(database, FromSqlInteger(last_fence)));
}

absl::Status SqliteWriter::Note(absl::Status status) {
  if (spoiled_.ok() && Spoils(status)) spoiled_ = status;
  return status;
}

template <typename Body>
absl::Status SqliteWriter::Atomically(Body body) {
  RETURN_IF_ERROR(Note(database_.Run(kSavepointSql)));
  absl::Status status = Note(body());
  if (!status.ok()) {
    UnitUndone();
    Note(database_.Run(kRollbackToSql)).IgnoreError();
  }
  Note(database_.Run(kReleaseSql)).IgnoreError();
  return spoiled_.ok() ? status : spoiled_;
}

absl::StatusOr<uint64_t> SqliteWriter::StartEpoch(absl::Time now) {
  RETURN_IF_ERROR(spoiled_);
  absl::StatusOr<int64_t> last = database_.QueryInt64(kLastEpochSql);
  if (!last.ok()) return Note(last.status());
  const int64_t epoch = *last + 1;
  RETURN_IF_ERROR(Note(database_.Run(kInsertEpochSql, epoch, ToSqlTime(now))));
  return static_cast<uint64_t>(epoch);
}

absl::Status SqliteWriter::InsertExperiment(const ExperimentRow& row, const std::string& request_id,
                                            const Digest& request_digest) {
  RETURN_IF_ERROR(spoiled_);
  RETURN_IF_ERROR(CheckDigest(request_digest));
  return Atomically([&] { return InsertExperimentRows(row, request_id, request_digest); });
}

absl::Status SqliteWriter::InsertExperimentRows(const ExperimentRow& row, const std::string& request_id,
                                                const Digest& request_digest) {
  const bool ended = row.state != v1::EXPERIMENT_STATE_ACTIVE;
  const std::string counts = row.final_counts.SerializeAsString();
  const std::string definition = row.experiment.SerializeAsString();
  absl::Status status =
      database_.Run(kInsertExperimentSql, row.id, row.experiment.display_name(), static_cast<int32_t>(row.state),
                    row.points, row.jobs_total, row.jobs_made, row.salt, ToSqlTime(row.create_time),
                    ToSqlTime(row.end_time), ended ? OptionalBlob(Blob{counts}) : std::nullopt, Blob{definition});
  RETURN_IF_ERROR(Explain(status, absl::StatusCode::kAlreadyExists, absl::StrCat("experiment ", row.id, " exists")));
  return InsertRequest(request_id, RequestRow{"CreateExperiment", request_digest, row.id});
}

absl::Status SqliteWriter::InsertTemplate(int64_t template_id, const v1::JobSpec& spec) {
  RETURN_IF_ERROR(spoiled_);
  const std::string bytes = spec.SerializeAsString();
  return Note(Explain(database_.Run(kInsertTemplateSql, template_id, Blob{bytes}), absl::StatusCode::kAlreadyExists,
                      absl::StrCat("spec template ", template_id, " exists")));
}

absl::Status SqliteWriter::InsertJobs(int64_t experiment_id, const std::vector<JobRow>& new_jobs,
                                      const std::vector<LinkRow>& links, int64_t jobs_made) {
  RETURN_IF_ERROR(spoiled_);
  return Atomically([&]() -> absl::Status {
    RETURN_IF_ERROR(InsertJobRows(new_jobs));
    RETURN_IF_ERROR(InsertLinkRows(links));
    RETURN_IF_ERROR(database_.Run(kSetJobsMadeSql, jobs_made, experiment_id));
    if (database_.changes() == 1) return absl::OkStatus();
    return absl::NotFoundError(absl::StrCat("no experiment ", experiment_id));
  });
}

absl::Status SqliteWriter::InsertJobRows(const std::vector<JobRow>& jobs) {
  ASSIGN_OR_RETURN(Statement * insert, database_.Cached(kInsertJobSql));
  for (const JobRow& job : jobs) {
    RETURN_IF_ERROR(CheckDigest(job.spec_digest));
    absl::Status status =
        insert->Run(job.id, Blob{job.spec_digest}, job.model_version, job.salt, job.template_id, ToSqlInteger(job.seed),
                    static_cast<int32_t>(job.state), job.infra_failures, job.lost);
    if (status.ok()) continue;
    status = Explain(status, absl::StatusCode::kAlreadyExists, absl::StrCat("job ", job.id, " or its content exists"));
    return Explain(status, absl::StatusCode::kNotFound, absl::StrCat("no spec template ", job.template_id));
  }
  return absl::OkStatus();
}

absl::Status SqliteWriter::InsertLinkRows(const std::vector<LinkRow>& links) {
  ASSIGN_OR_RETURN(Statement * insert, database_.Cached(kInsertLinkSql));
  for (const LinkRow& link : links) {
    absl::Status status = insert->Run(link.experiment_id, link.point, link.replicate, link.job_id, link.cached);
    if (status.ok()) continue;
    const std::string place =
        absl::StrCat("experiment ", link.experiment_id, ", point ", link.point, ", replicate ", link.replicate);
    status = Explain(status, absl::StatusCode::kAlreadyExists, absl::StrCat(place, " has a job"));
    return Explain(status, absl::StatusCode::kNotFound,
                   absl::StrCat(place, ": no such experiment, or no job ", link.job_id));
  }
  return absl::OkStatus();
}

absl::Status SqliteWriter::InsertAttempt(const AttemptRow& row) {
  RETURN_IF_ERROR(spoiled_);
  last_fence_ = std::max(last_fence_, row.fence);
  absl::Status status = database_.Run(kInsertAttemptSql, row.job_id, row.number, ToSqlInteger(row.fence),
                                      ToSqlInteger(row.epoch), row.worker, ToSqlTime(row.start_time));
  status = Explain(status, absl::StatusCode::kAlreadyExists,
                   absl::StrCat("job ", row.job_id, " has an attempt ", row.number));
  return Note(Explain(status, absl::StatusCode::kNotFound, absl::StrCat("no job ", row.job_id)));
}

absl::Status SqliteWriter::EndAttempt(const AttemptEnd& end) {
  RETURN_IF_ERROR(spoiled_);
  RETURN_IF_ERROR(CheckAttemptEnd(end));
  return Note(EndAttemptRows(end));
}

absl::Status SqliteWriter::EndAttemptRows(const AttemptEnd& end) {
  RETURN_IF_ERROR(database_.Run(kEndAttemptSql, ToSqlTime(end.end_time), static_cast<int32_t>(end.failure_class),
                                end.failure, end.job_id, end.number));
  if (database_.changes() == 0) {
    ASSIGN_OR_RETURN(const int64_t ended, database_.QueryInt64(kAttemptExistsSql, end.job_id, end.number));
    if (ended > 0) return absl::OkStatus();
    return absl::NotFoundError(absl::StrCat("job ", end.job_id, " has no attempt ", end.number));
  }
  if (!end.stderr_tail.empty()) {
    RETURN_IF_ERROR(database_.Run(kInsertAttemptLogSql, end.job_id, end.number, end.stderr_tail));
  }
  if (end.failure_class == v1::FAILURE_CLASS_INFRA) return database_.Run(kAddInfraFailureSql, end.job_id);
  if (end.failure_class == v1::FAILURE_CLASS_LOST) return database_.Run(kAddLostSql, end.job_id);
  return absl::OkStatus();
}

absl::Status SqliteWriter::InsertResult(const ResultRow& row) {
  RETURN_IF_ERROR(spoiled_);
  RETURN_IF_ERROR(CheckResult(row));
  RETURN_IF_ERROR(Note(InsertResultRow(row)));
  // The row is there now, so any failure from here on is one of the disk and spoils the unit.
  RETURN_IF_ERROR(Note(InsertDetails(row)));
  return Note(database_.Run(kSetSucceededSql, row.job_id));
}

absl::Status SqliteWriter::InsertResultRow(const ResultRow& row) {
  ASSIGN_OR_RETURN(Statement * insert, database_.Cached(InsertResultSql()));
  const v1::Metrics& metrics = row.result.metrics();
  const std::string& aged_state = row.result.aged_state_sha256();
  insert->Bind(row.job_id, row.attempt, ToSqlInteger(row.fence), row.worker, Blob{row.result_digest},
               static_cast<int32_t>(row.result.outcome()), ToSqlInteger(row.wall_us), ToSqlInteger(row.cpu_us),
               ToSqlTime(row.commit_time), row.result.has_metrics(),
               aged_state.empty() ? std::nullopt : std::optional<std::string_view>(aged_state));
  for (const auto* field : MetricFields()) insert->BindNext(MetricValue(metrics, *field));
  absl::Status status = insert->Step().status();
  insert->Reset();
  status = Explain(status, absl::StatusCode::kAlreadyExists, absl::StrCat("job ", row.job_id, " has a result"));
  return Explain(status, absl::StatusCode::kNotFound, absl::StrCat("no job ", row.job_id));
}

absl::Status SqliteWriter::InsertDetails(const ResultRow& row) {
  RETURN_IF_ERROR(InsertAttributions(row));
  if (row.result.has_time_series()) {
    const std::string bytes = row.result.time_series().SerializeAsString();
    RETURN_IF_ERROR(database_.Run(kInsertSeriesSql, row.job_id, Blob{bytes}));
  }
  if (row.result.has_replay()) {
    const std::string bytes = row.result.replay().SerializeAsString();
    RETURN_IF_ERROR(database_.Run(kInsertReplaySql, row.job_id, Blob{bytes}));
  }
  return absl::OkStatus();
}

absl::Status SqliteWriter::InsertAttributions(const ResultRow& row) {
  for (int i = 0; i < row.result.attributions_size(); ++i) {
    const v1::Attribution& attribution = row.result.attributions(i);
    ASSIGN_OR_RETURN(const int64_t key, AttributionKeyId(attribution));
    RETURN_IF_ERROR(database_.Run(kInsertAttributionSql, row.job_id, i, key, attribution.value()));
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> SqliteWriter::AttributionKeyId(const v1::Attribution& attribution) {
  const AttributionKey key(attribution.user(), attribution.cache(), attribution.metric());
  const auto known = attribution_keys_.find(key);
  if (known != attribution_keys_.end()) return known->second;
  const auto& [user, cache, metric] = key;
  RETURN_IF_ERROR(database_.Run(kInsertAttributionKeySql, user, cache, metric));
  ASSIGN_OR_RETURN(const int64_t id, database_.QueryInt64(kAttributionKeySql, user, cache, metric));
  attribution_keys_[key] = id;
  return id;
}

absl::Status SqliteWriter::InsertDuplicate(const ResultRow& row, const std::string& reason) {
  RETURN_IF_ERROR(spoiled_);
  RETURN_IF_ERROR(CheckDigest(row.result_digest));
  const std::string bytes = row.result.SerializeAsString();
  absl::Status status = database_.Run(kInsertDuplicateSql, row.job_id, row.attempt, ToSqlInteger(row.fence), row.worker,
                                      Blob{row.result_digest}, ToSqlInteger(row.wall_us), ToSqlInteger(row.cpu_us),
                                      ToSqlTime(row.commit_time), reason, Blob{bytes});
  return Note(Explain(status, absl::StatusCode::kNotFound, absl::StrCat("no job ", row.job_id)));
}

absl::Status SqliteWriter::RequireJob(int64_t job_id) {
  ASSIGN_OR_RETURN(const int64_t found, database_.QueryInt64(kJobExistsSql, job_id));
  return found > 0 ? absl::OkStatus() : absl::NotFoundError(absl::StrCat("no job ", job_id));
}

absl::Status SqliteWriter::SetJobState(int64_t job_id, v1::JobState state, const std::string& failure) {
  RETURN_IF_ERROR(spoiled_);
  RETURN_IF_ERROR(CheckJobState(state));
  RETURN_IF_ERROR(Note(database_.Run(kSetJobStateSql, static_cast<int32_t>(state), failure, job_id)));
  if (database_.changes() == 1) return absl::OkStatus();
  return Note(RequireJob(job_id));
}

absl::Status SqliteWriter::EndExperiment(int64_t experiment_id, v1::ExperimentState state, absl::Time end_time,
                                         const v1::JobCounts& counts) {
  RETURN_IF_ERROR(spoiled_);
  const std::string bytes = counts.SerializeAsString();
  RETURN_IF_ERROR(Note(
      database_.Run(kEndExperimentSql, static_cast<int32_t>(state), ToSqlTime(end_time), Blob{bytes}, experiment_id)));
  if (database_.changes() == 0) return absl::NotFoundError(absl::StrCat("no experiment ", experiment_id));
  if (state != v1::EXPERIMENT_STATE_CANCELLED) return absl::OkStatus();
  return Note(database_.Run(kReleaseLinksSql, experiment_id));
}

absl::Status SqliteWriter::InsertRequest(const std::string& request_id, const RequestRow& row) {
  RETURN_IF_ERROR(spoiled_);
  RETURN_IF_ERROR(CheckDigest(row.request_digest));
  absl::Status status =
      database_.Run(kInsertRequestSql, request_id, row.method, Blob{row.request_digest}, NullIfZero(row.experiment_id));
  status = Explain(status, absl::StatusCode::kAlreadyExists, absl::StrCat("request ", request_id, " was seen before"));
  return Note(Explain(status, absl::StatusCode::kNotFound, absl::StrCat("no experiment ", row.experiment_id)));
}

absl::Status SqliteWriter::InsertCapture(const v1::Capture& capture) {
  RETURN_IF_ERROR(spoiled_);
  ASSIGN_OR_RETURN(const Digest digest, CaptureDigest(capture.name()));
  return Note(database_.Run(kInsertCaptureSql, Blob{digest}, capture.size_bytes(), capture.display_name(),
                            ToSqlTime(capture.create_time())));
}

absl::Status SqliteWriter::InsertEvent(const EventRow& event) {
  RETURN_IF_ERROR(spoiled_);
  return Note(database_.Run(kInsertEventSql, ToSqlTime(event.time), event.kind, NullIfZero(event.experiment_id),
                            NullIfZero(event.job_id), NullIfZero(event.attempt), event.detail));
}

void SqliteWriter::TransactionUndone() {
  UnitUndone();
  written_last_fence_ = 0;  // unknown: the next transaction writes it again
}

absl::Status SqliteWriter::FinishTransaction() {
  if (last_fence_ == written_last_fence_) return absl::OkStatus();
  RETURN_IF_ERROR(database_.Run(kSetLastFenceSql, ToSqlInteger(last_fence_)));
  written_last_fence_ = last_fence_;
  return absl::OkStatus();
}

}  // namespace dmfrag::storage::sqlite
