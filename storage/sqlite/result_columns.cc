#include "storage/sqlite/result_columns.h"

#include "absl/strings/str_cat.h"
#include "storage/metric_fields.h"

namespace dmfrag::storage::sqlite {
namespace {

constexpr char kInsertHead[] =
    "INSERT INTO results(job_id, attempt, fence, worker, result_digest, outcome, wall_us, cpu_us, commit_time_ns, "
    "has_metrics, aged_state_sha256";
constexpr char kInsertValues[] = ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?";

constexpr char kSelectJob[] = "SELECT jobs.id, jobs.spec_digest, jobs.model_version, jobs.template_id, jobs.seed, ";
constexpr char kSelectCounts[] =
    "(SELECT COUNT(*) FROM attempts WHERE attempts.job_id = jobs.id), "
    "(SELECT COUNT(*) FROM duplicate_results WHERE duplicate_results.job_id = jobs.id), ";
constexpr char kSelectResult[] =
    "results.job_id, results.result_digest, results.commit_time_ns, results.outcome, results.has_metrics, "
    "results.aged_state_sha256";

constexpr char kFromJob[] = " FROM jobs LEFT JOIN results ON results.job_id = jobs.id WHERE jobs.id = ?";
// CROSS JOIN: links in the order of their key first, whatever the planner thinks of the sizes.
constexpr char kFromLinks[] =
    " FROM links CROSS JOIN jobs ON jobs.id = links.job_id "
    "LEFT JOIN results ON results.job_id = links.job_id AND links.released = 0 "
    "WHERE links.experiment_id = ? AND (links.point, links.replicate) > (?, ?)";

std::string MetricColumns() {
  std::string text;
  for (const auto* field : MetricFields()) absl::StrAppend(&text, ", results.", field->name());
  return text;
}

std::string BuildInsert() {
  std::string text = kInsertHead;
  for (const auto* field : MetricFields()) absl::StrAppend(&text, ", ", field->name());
  absl::StrAppend(&text, kInsertValues);
  for (size_t i = 0; i < MetricFields().size(); ++i) absl::StrAppend(&text, ", ?");
  return absl::StrCat(text, ")");
}

}  // namespace

const char* InsertResultSql() {
  static const auto* const sql = new std::string(BuildInsert());
  return sql->c_str();
}

const char* SelectJobResultSql() {
  static const auto* const sql =
      new std::string(absl::StrCat(kSelectJob, "jobs.state, jobs.failure, ", kSelectCounts, "NULL, NULL, ",
                                   kSelectResult, MetricColumns(), kFromJob));
  return sql->c_str();
}

std::string SelectLinkResultsSql() {
  return absl::StrCat(kSelectJob, kLinkStateSql, ", IIF(links.released, '', jobs.failure), ", kSelectCounts,
                      "links.point, links.replicate, ", kSelectResult, MetricColumns(), kFromLinks);
}

}  // namespace dmfrag::storage::sqlite
