#include "storage/sqlite/result_reader.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "storage/metric_fields.h"
#include "storage/row_time.h"
#include "storage/sqlite/result_columns.h"
#include "storage/sqlite/sql_uint64.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::storage::sqlite {
namespace {

constexpr char kTemplateSql[] = "SELECT spec FROM spec_templates WHERE id = ?";
constexpr char kAttributionsSql[] =
    "SELECT attribution_keys.user, attribution_keys.cache, attribution_keys.metric, attributions.value "
    "FROM attributions CROSS JOIN attribution_keys ON attribution_keys.id = attributions.key_id "
    "WHERE attributions.job_id = ? ORDER BY attributions.position";
constexpr char kSeriesSql[] = "SELECT time_series FROM series WHERE job_id = ?";
constexpr char kReplaySql[] = "SELECT report FROM replays WHERE job_id = ?";

std::string Hex(std::string_view bytes) {
  return absl::BytesToHexString(absl::string_view(bytes.data(), bytes.size()));
}

// What a row of SelectJobResultSql or SelectLinkResultsSql holds beside the spec and the parts in other tables.
v1::Result ToResult(const Statement& row) {
  v1::Result result;
  result.set_name(absl::StrCat("jobs/", row.Int64(kJobId)));
  result.set_state(static_cast<v1::JobState>(row.Int64(kState)));
  result.set_spec_sha256(Hex(row.BlobView(kSpecDigest)));
  result.set_model_version(static_cast<uint32_t>(row.Int64(kModelVersion)));
  result.set_failure(row.Text(kFailure));
  result.set_attempts(static_cast<int32_t>(row.Int64(kAttempts)));
  result.set_duplicates(static_cast<int32_t>(row.Int64(kDuplicates)));
  if (!row.IsNull(kPoint)) result.set_point(row.Int64(kPoint));
  if (!row.IsNull(kReplicate)) result.set_replicate(row.Int64(kReplicate));
  if (row.IsNull(kResultJobId)) return result;
  result.set_result_sha256(Hex(row.BlobView(kResultDigest)));
  *result.mutable_commit_time() = ToTimestamp(FromSqlTime(row.Int64(kCommitTime)));
  v1::JobResult& job_result = *result.mutable_result();
  job_result.set_outcome(static_cast<v1::Outcome>(row.Int64(kOutcome)));
  job_result.set_aged_state_sha256(row.Text(kAgedState));
  if (row.Int64(kHasMetrics) == 0) return result;
  v1::Metrics& metrics = *job_result.mutable_metrics();
  int column = kFirstMetric;
  for (const auto* field : MetricFields()) {
    if (!row.IsNull(column)) SetMetricValue(metrics, *field, row.Int64(column));
    ++column;
  }
  return result;
}

absl::Status ReadAttributions(Database& database, int64_t job_id, v1::JobResult& result) {
  ASSIGN_OR_RETURN(Rows rows, database.Query(kAttributionsSql, job_id));
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return absl::OkStatus();
    v1::Attribution& attribution = *result.add_attributions();
    attribution.set_user(rows.row().Text(0));
    attribution.set_cache(rows.row().Text(1));
    attribution.set_metric(rows.row().Text(2));
    attribution.set_value(rows.row().Int64(3));
  }
}

// Reads a message that the job may have a row of; `target` is called for the message only if there is one.
template <typename Target>
absl::Status ReadOptional(Database& database, const char* sql, int64_t job_id, Target target) {
  ASSIGN_OR_RETURN(Rows rows, database.Query(sql, job_id));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return absl::OkStatus();
  return ParseStored(rows.row().BlobView(0), absl::StrCat("job ", job_id), *target());
}

absl::Status ReadDetails(Database& database, int64_t job_id, v1::JobResult& result) {
  RETURN_IF_ERROR(ReadOptional(database, kSeriesSql, job_id, [&] { return result.mutable_time_series(); }));
  return ReadOptional(database, kReplaySql, job_id, [&] { return result.mutable_replay(); });
}

std::string ColumnText(const CheckedComparison& comparison) {
  switch (comparison.field) {
    case FilterField::kPoint:
      return "links.point";
    case FilterField::kReplicate:
      return "links.replicate";
    case FilterField::kState:
      return kLinkStateSql;
    case FilterField::kMetric:
      break;
  }
  return absl::StrCat("results.", comparison.metric->name());
}

// A row with the ids by which its other parts are found.
struct Listed {
  int64_t job_id;
  int64_t template_id;
  uint64_t seed;
  v1::Result result;
};

absl::StatusOr<std::vector<Listed>> ReadRows(Database& database, const ResultQuery& query,
                                             const std::vector<CheckedComparison>& where) {
  // Only column names of the registry and operators from a list enter the text; values are bound.
  std::string sql = SelectLinkResultsSql();
  for (const CheckedComparison& comparison : where) {
    absl::StrAppend(&sql, " AND ", ColumnText(comparison), " ", OperatorText(comparison.op), " ?");
  }
  absl::StrAppend(&sql, " ORDER BY links.point, links.replicate LIMIT ?");
  ASSIGN_OR_RETURN(Statement statement, database.Prepare(sql));
  Rows rows(&statement);
  statement.Bind(query.experiment_id, query.after_point, query.after_replicate);
  for (const CheckedComparison& comparison : where) statement.BindNext(comparison.value);
  statement.BindNext(query.limit);
  std::vector<Listed> listed;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Next());
    if (!found) return listed;
    listed.push_back(Listed{statement.Int64(kJobId), statement.Int64(kTemplateId),
                            FromSqlInteger(statement.Int64(kSeed)), ToResult(statement)});
  }
}

}  // namespace

absl::Status ParseStored(std::string_view bytes, const std::string& place, google::protobuf::MessageLite& message) {
  if (message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("the stored ", message.GetTypeName(), " of ", place, " is damaged"));
}

absl::StatusOr<v1::JobSpec> ReadTemplate(Database& database, int64_t template_id) {
  ASSIGN_OR_RETURN(Rows rows, database.Query(kTemplateSql, template_id));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  const std::string place = absl::StrCat("spec template ", template_id);
  if (!found) return absl::NotFoundError(absl::StrCat("no ", place));
  v1::JobSpec spec;
  RETURN_IF_ERROR(ParseStored(rows.row().BlobView(0), place, spec));
  return spec;
}

absl::StatusOr<v1::Result> ReadJobResult(Database& database, int64_t job_id) {
  ASSIGN_OR_RETURN(Rows rows, database.Query(SelectJobResultSql(), job_id));
  ASSIGN_OR_RETURN(const bool found, rows.Next());
  if (!found) return absl::NotFoundError(absl::StrCat("no job ", job_id));
  v1::Result result = ToResult(rows.row());
  ASSIGN_OR_RETURN(*result.mutable_spec(), ReadTemplate(database, rows.row().Int64(kTemplateId)));
  result.mutable_spec()->set_seed(FromSqlInteger(rows.row().Int64(kSeed)));
  if (!result.has_result()) return result;
  RETURN_IF_ERROR(ReadAttributions(database, job_id, *result.mutable_result()));
  RETURN_IF_ERROR(ReadDetails(database, job_id, *result.mutable_result()));
  return result;
}

absl::StatusOr<std::vector<v1::Result>> ReadLinkResults(Database& database, const ResultQuery& query,
                                                        const std::vector<CheckedComparison>& where) {
  ASSIGN_OR_RETURN(std::vector<Listed> listed, ReadRows(database, query, where));
  absl::flat_hash_map<int64_t, v1::JobSpec> templates;
  std::vector<v1::Result> results;
  results.reserve(listed.size());
  for (Listed& one : listed) {
    if (query.with_spec) {
      auto [entry, is_new] = templates.try_emplace(one.template_id);
      if (is_new) {
        ASSIGN_OR_RETURN(entry->second, ReadTemplate(database, one.template_id));
      }
      *one.result.mutable_spec() = entry->second;
      one.result.mutable_spec()->set_seed(one.seed);
    }
    if (one.result.has_result()) {
      RETURN_IF_ERROR(ReadAttributions(database, one.job_id, *one.result.mutable_result()));
      if (query.with_details) RETURN_IF_ERROR(ReadDetails(database, one.job_id, *one.result.mutable_result()));
    }
    results.push_back(std::move(one.result));
  }
  return results;
}

}  // namespace dmfrag::storage::sqlite
