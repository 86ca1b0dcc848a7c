#include "storage/sqlite/sqlite_reader.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "storage/row_checks.h"
#include "storage/row_time.h"
#include "storage/sqlite/result_reader.h"
#include "storage/sqlite/sql_uint64.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::storage::sqlite {
namespace {

#define DMFRAG_EXPERIMENT_COLUMNS \
  "id, state, points, jobs_total, jobs_made, salt, create_time_ns, end_time_ns, final_counts, definition"
#define DMFRAG_JOB_COLUMNS                                                                              \
  "jobs.id, jobs.spec_digest, jobs.model_version, jobs.salt, jobs.template_id, jobs.seed, jobs.state, " \
  "(SELECT COUNT(*) FROM attempts WHERE attempts.job_id = jobs.id), jobs.infra_failures, jobs.lost"

constexpr char kGetExperimentSql[] = "SELECT " DMFRAG_EXPERIMENT_COLUMNS " FROM experiments WHERE id = ?";
constexpr char kListExperimentsSql[] =
    "SELECT " DMFRAG_EXPERIMENT_COLUMNS " FROM experiments WHERE id < ? ORDER BY id DESC LIMIT ?";
constexpr char kActiveExperimentsSql[] =
    "SELECT " DMFRAG_EXPERIMENT_COLUMNS " FROM experiments WHERE state = 1 ORDER BY id";
constexpr char kExperimentExistsSql[] = "SELECT COUNT(*) FROM experiments WHERE id = ?";
constexpr char kGetRequestSql[] =
    "SELECT method, request_digest, IFNULL(experiment_id, 0) FROM requests WHERE request_id = ?";
constexpr char kFindJobSql[] =
    "SELECT " DMFRAG_JOB_COLUMNS " FROM jobs WHERE spec_digest = ? AND model_version = ? AND salt = ?";
constexpr char kVisitLinksSql[] = "SELECT " DMFRAG_JOB_COLUMNS
                                  ", links.point, links.replicate, links.cached "
                                  "FROM links CROSS JOIN jobs ON jobs.id = links.job_id "
                                  "WHERE links.experiment_id = ? ORDER BY links.point, links.replicate";
constexpr char kJobExistsSql[] = "SELECT COUNT(*) FROM jobs WHERE id = ?";
constexpr char kListAttemptsSql[] =
    "SELECT attempts.number, attempts.epoch, attempts.fence, attempts.worker, attempts.start_time_ns, "
    "attempts.end_time_ns, attempts.failure_class, attempts.failure, attempt_logs.stderr_tail "
    "FROM attempts LEFT JOIN attempt_logs "
    "ON attempt_logs.job_id = attempts.job_id AND attempt_logs.number = attempts.number "
    "WHERE attempts.job_id = ? ORDER BY attempts.number";
constexpr char kOpenAttemptsSql[] =
    "SELECT job_id, number, fence, epoch, worker, start_time_ns FROM attempts "
    "WHERE end_time_ns IS NULL AND NOT EXISTS (SELECT 1 FROM results WHERE results.job_id = attempts.job_id) "
    "ORDER BY job_id, number";
constexpr char kGetCaptureSql[] = "SELECT size_bytes, display_name, create_time_ns FROM captures WHERE sha256 = ?";
constexpr char kLastIdsSql[] =
    "SELECT (SELECT IFNULL(MAX(id), 0) FROM experiments), (SELECT IFNULL(MAX(id), 0) FROM jobs), "
    "(SELECT IFNULL(MAX(id), 0) FROM spec_templates), (SELECT IFNULL(MAX(epoch), 0) FROM epochs), "
    "(SELECT value FROM meta WHERE name = 'last_fence')";

#undef DMFRAG_EXPERIMENT_COLUMNS
#undef DMFRAG_JOB_COLUMNS

constexpr int64_t kNoId = INT64_MAX;

absl::StatusOr<ExperimentRow> ToExperiment(const Statement& row) {
  ExperimentRow experiment;
  experiment.id = row.Int64(0);
  experiment.state = static_cast<v1::ExperimentState>(row.Int64(1));
  experiment.points = row.Int64(2);
  experiment.jobs_total = row.Int64(3);
  experiment.jobs_made = row.Int64(4);
  experiment.salt = row.Text(5);
  experiment.create_time = FromSqlTime(row.Int64(6));
  if (!row.IsNull(7)) experiment.end_time = FromSqlTime(row.Int64(7));
  const std::string place = absl::StrCat("experiment ", experiment.id);
  RETURN_IF_ERROR(ParseStored(row.BlobView(8), place, experiment.final_counts));
  RETURN_IF_ERROR(ParseStored(row.BlobView(9), place, experiment.experiment));
  return experiment;
}

absl::StatusOr<std::vector<ExperimentRow>> ToExperiments(Rows rows) {
  std::vector<ExperimentRow> experiments;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return experiments;
    ASSIGN_OR_RETURN(ExperimentRow experiment, ToExperiment(rows.row()));
    experiments.push_back(std::move(experiment));
  }
}

JobRow ToJob(const Statement& row) {
  JobRow job;
  job.id = row.Int64(0);
  job.spec_digest = row.Bytes(1);
  job.model_version = static_cast<uint32_t>(row.Int64(2));
  job.salt = row.Text(3);
  job.template_id = row.Int64(4);
  job.seed = FromSqlInteger(row.Int64(5));
  job.state = static_cast<v1::JobState>(row.Int64(6));
  job.attempts = static_cast<uint32_t>(row.Int64(7));
  job.infra_failures = static_cast<uint32_t>(row.Int64(8));
  job.lost = static_cast<uint32_t>(row.Int64(9));
  return job;
}

v1::Attempt ToAttempt(const Statement& row) {
  v1::Attempt attempt;
  attempt.set_number(static_cast<uint32_t>(row.Int64(0)));
  attempt.set_epoch(FromSqlInteger(row.Int64(1)));
  attempt.set_fence(FromSqlInteger(row.Int64(2)));
  attempt.set_worker(row.Text(3));
  *attempt.mutable_start_time() = ToTimestamp(FromSqlTime(row.Int64(4)));
  if (!row.IsNull(5)) *attempt.mutable_end_time() = ToTimestamp(FromSqlTime(row.Int64(5)));
  attempt.set_failure_class(static_cast<v1::FailureClass>(row.Int64(6)));
  attempt.set_failure(row.Text(7));
  attempt.set_stderr_tail(row.Text(8));
  return attempt;
}

AttemptRow ToOpenAttempt(const Statement& row) {
  AttemptRow attempt;
  attempt.job_id = row.Int64(0);
  attempt.number = static_cast<uint32_t>(row.Int64(1));
  attempt.fence = FromSqlInteger(row.Int64(2));
  attempt.epoch = FromSqlInteger(row.Int64(3));
  attempt.worker = row.Text(4);
  attempt.start_time = FromSqlTime(row.Int64(5));
  return attempt;
}

// OK if a COUNT(*) by `id` finds a row, else kNotFound naming `what`.
absl::Status Require(Database& database, const char* sql, const char* what, int64_t id) {
  ASSIGN_OR_RETURN(const int64_t found, database.QueryInt64(sql, id));
  return found > 0 ? absl::OkStatus() : absl::NotFoundError(absl::StrCat("no ", what, " ", id));
}

}  // namespace

absl::StatusOr<ExperimentRow> SqliteReader::GetExperiment(int64_t id) const {
  ASSIGN_OR_RETURN(ReaderPool::Snapshot snapshot, pool_.Begin());
  ASSIGN_OR_RETURN(Rows rows, snapshot->Query(kGetExperimentSql, id));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return absl::NotFoundError(absl::StrCat("no experiment ", id));
  return ToExperiment(rows.row());
}

absl::StatusOr<std::vector<ExperimentRow>> SqliteReader::ListExperiments(int64_t before_id, int64_t limit) const {
  ASSIGN_OR_RETURN(ReaderPool::Snapshot snapshot, pool_.Begin());
  ASSIGN_OR_RETURN(Rows rows, snapshot->Query(kListExperimentsSql, before_id == 0 ? kNoId : before_id, limit));
  return ToExperiments(std::move(rows));
}

absl::StatusOr<std::vector<ExperimentRow>> SqliteReader::ActiveExperiments() const {
  ASSIGN_OR_RETURN(ReaderPool::Snapshot snapshot, pool_.Begin());
  ASSIGN_OR_RETURN(Rows rows, snapshot->Query(kActiveExperimentsSql));
  return ToExperiments(std::move(rows));
}

absl::StatusOr<RequestRow> SqliteReader::GetRequest(const std::string& request_id) const {
  ASSIGN_OR_RETURN(ReaderPool::Snapshot snapshot, pool_.Begin());
  ASSIGN_OR_RETURN(Rows rows, snapshot->Query(kGetRequestSql, request_id));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return absl::NotFoundError(absl::StrCat("no request ", request_id));
  return RequestRow{rows.row().Text(0), rows.row().Bytes(1), rows.row().Int64(2)};
}

absl::StatusOr<std::vector<std::optional<JobRow>>> SqliteReader::FindJobs(const std::vector<Digest>& digests,
                                                                          uint32_t model_version,
                                                                          const std::string& salt) const {
  ASSIGN_OR_RETURN(ReaderPool::Snapshot snapshot, pool_.Begin());
  std::vector<std::optional<JobRow>> jobs;
  jobs.reserve(digests.size());
  for (const Digest& digest : digests) {
    ASSIGN_OR_RETURN(Rows rows, snapshot->Query(kFindJobSql, Blob{digest}, model_version, salt));
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    jobs.push_back(found ? std::optional(ToJob(rows.row())) : std::nullopt);
  }
  return jobs;
}

absl::StatusOr<v1::JobSpec> SqliteReader::GetTemplate(int64_t template_id) const {
  ASSIGN_OR_RETURN(ReaderPool::Snapshot snapshot, pool_.Begin());
  return ReadTemplate(*snapshot, template_id);
}

absl::StatusOr<v1::Result> SqliteReader::GetResult(int64_t job_id) const {
  ASSIGN_OR_RETURN(ReaderPool::Snapshot snapshot, pool_.Begin());
  return ReadJobResult(*snapshot, job_id);
}

absl::StatusOr<std::vector<v1::Result>> SqliteReader::ListResults(const ResultQuery& query) const {
  ASSIGN_OR_RETURN(const std::vector<CheckedComparison> where, CheckQuery(query));
  ASSIGN_OR_RETURN(ReaderPool::Snapshot snapshot, pool_.Begin());
  RETURN_IF_ERROR(Require(*snapshot, kExperimentExistsSql, "experiment", query.experiment_id));
  return ReadLinkResults(*snapshot, query, where);
}

absl::StatusOr<std::vector<v1::Attempt>> SqliteReader::ListAttempts(int64_t job_id) const {
  ASSIGN_OR_RETURN(ReaderPool::Snapshot snapshot, pool_.Begin());
  RETURN_IF_ERROR(Require(*snapshot, kJobExistsSql, "job", job_id));
  ASSIGN_OR_RETURN(Rows rows, snapshot->Query(kListAttemptsSql, job_id));
  std::vector<v1::Attempt> attempts;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return attempts;
    attempts.push_back(ToAttempt(rows.row()));
  }
}

absl::StatusOr<v1::Capture> SqliteReader::GetCapture(const std::string& name) const {
  ASSIGN_OR_RETURN(const Digest digest, CaptureDigest(name));
  ASSIGN_OR_RETURN(ReaderPool::Snapshot snapshot, pool_.Begin());
  ASSIGN_OR_RETURN(Rows rows, snapshot->Query(kGetCaptureSql, Blob{digest}));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return absl::NotFoundError(absl::StrCat("no capture ", name));
  v1::Capture capture;
  capture.set_name(name);
  capture.set_size_bytes(rows.row().Int64(0));
  capture.set_display_name(rows.row().Text(1));
  *capture.mutable_create_time() = ToTimestamp(FromSqlTime(rows.row().Int64(2)));
  return capture;
}

absl::Status SqliteReader::VisitLinks(int64_t experiment_id,
                                      const std::function<void(const LinkRow&, const JobRow&)>& visit) const {
  ASSIGN_OR_RETURN(ReaderPool::Snapshot snapshot, pool_.Begin());
  RETURN_IF_ERROR(Require(*snapshot, kExperimentExistsSql, "experiment", experiment_id));
  ASSIGN_OR_RETURN(Rows rows, snapshot->Query(kVisitLinksSql, experiment_id));
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return absl::OkStatus();
    const JobRow job = ToJob(rows.row());
    visit(LinkRow{experiment_id, rows.row().Int64(10), rows.row().Int64(11), job.id, rows.row().Int64(12) != 0}, job);
  }
}

absl::StatusOr<std::vector<AttemptRow>> SqliteReader::OpenAttempts() const {
  ASSIGN_OR_RETURN(ReaderPool::Snapshot snapshot, pool_.Begin());
  ASSIGN_OR_RETURN(Rows rows, snapshot->Query(kOpenAttemptsSql));
  std::vector<AttemptRow> attempts;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return attempts;
    attempts.push_back(ToOpenAttempt(rows.row()));
  }
}

absl::StatusOr<Reader::LastIds> SqliteReader::GetLastIds() const {
  ASSIGN_OR_RETURN(ReaderPool::Snapshot snapshot, pool_.Begin());
  ASSIGN_OR_RETURN(Rows rows, snapshot->Query(kLastIdsSql));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return absl::DataLossError("the row of the last ids is missing");
  LastIds ids;
  ids.experiment = rows.row().Int64(0);
  ids.job = rows.row().Int64(1);
  ids.spec_template = rows.row().Int64(2);
  ids.epoch = FromSqlInteger(rows.row().Int64(3));
  ids.fence = FromSqlInteger(rows.row().Int64(4));
  return ids;
}

}  // namespace dmfrag::storage::sqlite
