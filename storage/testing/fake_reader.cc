#include "storage/testing/fake_reader.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "storage/metric_fields.h"
#include "storage/result_filter.h"
#include "storage/row_checks.h"
#include "storage/row_time.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::storage {
namespace {

template <typename Map, typename Key>
absl::StatusOr<typename Map::mapped_type> Find(const Map& map, const Key& key, const std::string& what) {
  const auto found = map.find(key);
  if (found == map.end()) return absl::NotFoundError(absl::StrCat("no ", what));
  return found->second;
}

v1::Attempt ToAttempt(const FakeState::Attempt& attempt) {
  v1::Attempt message;
  message.set_number(attempt.row.number);
  message.set_epoch(attempt.row.epoch);
  message.set_fence(attempt.row.fence);
  message.set_worker(attempt.row.worker);
  *message.mutable_start_time() = ToTimestamp(attempt.row.start_time);
  if (!attempt.end.has_value()) return message;
  *message.mutable_end_time() = ToTimestamp(attempt.end->end_time);
  message.set_failure_class(attempt.end->failure_class);
  message.set_failure(attempt.end->failure);
  message.set_stderr_tail(attempt.end->stderr_tail);
  return message;
}

std::optional<int64_t> ValueOf(const CheckedComparison& comparison, const v1::Result& result) {
  switch (comparison.field) {
    case FilterField::kPoint:
      return result.point();
    case FilterField::kReplicate:
      return result.replicate();
    case FilterField::kState:
      return result.state();
    case FilterField::kMetric:
      break;
  }
  return MetricValue(result.result().metrics(), *comparison.metric);
}

bool MatchesAll(const std::vector<CheckedComparison>& where, const v1::Result& result) {
  return std::all_of(where.begin(), where.end(), [&](const CheckedComparison& comparison) {
    return Matches(comparison, ValueOf(comparison, result));
  });
}

}  // namespace

absl::StatusOr<ExperimentRow> FakeReader::GetExperiment(int64_t id) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return Find(state_.experiments, id, absl::StrCat("experiment ", id));
}

absl::StatusOr<std::vector<ExperimentRow>> FakeReader::ListExperiments(int64_t before_id, int64_t limit) const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<ExperimentRow> rows;
  for (auto it = state_.experiments.rbegin(); it != state_.experiments.rend(); ++it) {
    if (before_id != 0 && it->first >= before_id) continue;
    if (static_cast<int64_t>(rows.size()) >= limit) break;
    rows.push_back(it->second);
  }
  return rows;
}

absl::StatusOr<std::vector<ExperimentRow>> FakeReader::ActiveExperiments() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<ExperimentRow> rows;
  for (const auto& [id, row] : state_.experiments) {
    if (row.state == v1::EXPERIMENT_STATE_ACTIVE) rows.push_back(row);
  }
  return rows;
}

absl::StatusOr<RequestRow> FakeReader::GetRequest(const std::string& request_id) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return Find(state_.requests, request_id, absl::StrCat("request ", request_id));
}

absl::StatusOr<std::vector<std::optional<JobRow>>> FakeReader::FindJobs(const std::vector<Digest>& digests,
                                                                        uint32_t model_version,
                                                                        const std::string& salt) const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<std::optional<JobRow>> rows;
  for (const Digest& digest : digests) {
    const auto found = state_.job_ids.find({digest, model_version, salt});
    rows.push_back(found == state_.job_ids.end() ? std::nullopt : std::optional(RowOf(state_.jobs.at(found->second))));
  }
  return rows;
}

absl::StatusOr<v1::JobSpec> FakeReader::GetTemplate(int64_t template_id) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return Find(state_.templates, template_id, absl::StrCat("spec template ", template_id));
}

absl::StatusOr<v1::Result> FakeReader::GetResult(int64_t job_id) const {
  std::lock_guard<std::mutex> lock(mutex_);
  ASSIGN_OR_RETURN(const FakeState::Job job, Find(state_.jobs, job_id, absl::StrCat("job ", job_id)));
  v1::Result result = ResultOf(job, /*with_result=*/true);
  *result.mutable_spec() = SpecOf(job);
  return result;
}

absl::StatusOr<std::vector<v1::Result>> FakeReader::ListResults(const ResultQuery& query) const {
  ASSIGN_OR_RETURN(const std::vector<CheckedComparison> where, CheckQuery(query));
  std::lock_guard<std::mutex> lock(mutex_);
  RETURN_IF_ERROR(
      Find(state_.experiments, query.experiment_id, absl::StrCat("experiment ", query.experiment_id)).status());
  std::vector<v1::Result> results;
  auto link = state_.links.upper_bound({query.experiment_id, query.after_point, query.after_replicate});
  for (; link != state_.links.end() && std::get<0>(link->first) == query.experiment_id; ++link) {
    if (static_cast<int64_t>(results.size()) >= query.limit) break;
    v1::Result result = LinkResult(link->second);
    if (!MatchesAll(where, result)) continue;
    if (query.with_spec) *result.mutable_spec() = SpecOf(state_.jobs.at(link->second.row.job_id));
    if (!query.with_details && result.has_result()) {
      result.mutable_result()->clear_time_series();
      result.mutable_result()->clear_replay();
    }
    results.push_back(std::move(result));
  }
  return results;
}

absl::StatusOr<std::vector<v1::Attempt>> FakeReader::ListAttempts(int64_t job_id) const {
  std::lock_guard<std::mutex> lock(mutex_);
  RETURN_IF_ERROR(Find(state_.jobs, job_id, absl::StrCat("job ", job_id)).status());
  std::vector<v1::Attempt> attempts;
  for (const FakeState::Attempt* attempt : AttemptsOf(job_id)) attempts.push_back(ToAttempt(*attempt));
  return attempts;
}

absl::StatusOr<v1::Capture> FakeReader::GetCapture(const std::string& name) const {
  ASSIGN_OR_RETURN(const Digest digest, CaptureDigest(name));
  std::lock_guard<std::mutex> lock(mutex_);
  return Find(state_.captures, digest, absl::StrCat("capture ", name));
}

absl::Status FakeReader::VisitLinks(int64_t experiment_id,
                                    const std::function<void(const LinkRow&, const JobRow&)>& visit) const {
  std::lock_guard<std::mutex> lock(mutex_);
  RETURN_IF_ERROR(Find(state_.experiments, experiment_id, absl::StrCat("experiment ", experiment_id)).status());
  auto link = state_.links.lower_bound({experiment_id, INT64_MIN, INT64_MIN});
  for (; link != state_.links.end() && std::get<0>(link->first) == experiment_id; ++link) {
    visit(link->second.row, RowOf(state_.jobs.at(link->second.row.job_id)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<AttemptRow>> FakeReader::OpenAttempts() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<AttemptRow> rows;
  for (const auto& [key, attempt] : state_.attempts) {
    if (!attempt.end.has_value() && !state_.results.contains(attempt.row.job_id)) rows.push_back(attempt.row);
  }
  return rows;
}

absl::StatusOr<Reader::LastIds> FakeReader::GetLastIds() const {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto last = [](const auto& map) { return map.empty() ? 0 : map.rbegin()->first; };
  LastIds ids;
  ids.experiment = last(state_.experiments);
  ids.job = last(state_.jobs);
  ids.spec_template = last(state_.templates);
  ids.epoch = last(state_.epochs);
  ids.fence = state_.last_fence;
  return ids;
}

FakeReader::Attempts FakeReader::AttemptsOf(int64_t job_id) const {
  Attempts attempts;
  auto attempt = state_.attempts.lower_bound({job_id, 0});
  for (; attempt != state_.attempts.end() && attempt->first.first == job_id; ++attempt) {
    attempts.push_back(&attempt->second);
  }
  return attempts;
}

JobRow FakeReader::RowOf(const FakeState::Job& job) const {
  JobRow row = job.row;
  row.attempts = static_cast<uint32_t>(AttemptsOf(row.id).size());
  return row;
}

v1::JobSpec FakeReader::SpecOf(const FakeState::Job& job) const {
  v1::JobSpec spec = state_.templates.at(job.row.template_id);
  spec.set_seed(job.row.seed);
  return spec;
}

v1::Result FakeReader::ResultOf(const FakeState::Job& job, bool with_result) const {
  v1::Result message;
  message.set_name(absl::StrCat("jobs/", job.row.id));
  message.set_state(job.row.state);
  message.set_spec_sha256(absl::BytesToHexString(job.row.spec_digest));
  message.set_model_version(job.row.model_version);
  message.set_failure(job.failure);
  message.set_attempts(static_cast<int32_t>(AttemptsOf(job.row.id).size()));
  const auto duplicates = state_.duplicates.lower_bound({job.row.id, 0, 0, Digest()});
  const auto behind = state_.duplicates.lower_bound({job.row.id + 1, 0, 0, Digest()});
  message.set_duplicates(static_cast<int32_t>(std::distance(duplicates, behind)));
  const auto found = state_.results.find(job.row.id);
  if (!with_result || found == state_.results.end()) return message;
  message.set_result_sha256(absl::BytesToHexString(found->second.result_digest));
  *message.mutable_result() = found->second.result;
  *message.mutable_commit_time() = ToTimestamp(found->second.commit_time);
  return message;
}

v1::Result FakeReader::LinkResult(const FakeState::Link& link) const {
  v1::Result result = ResultOf(state_.jobs.at(link.row.job_id), /*with_result=*/!link.released);
  result.set_point(link.row.point);
  result.set_replicate(link.row.replicate);
  if (link.released) {
    result.set_state(v1::JOB_STATE_CANCELLED);
    result.clear_failure();
  }
  return result;
}

}  // namespace dmfrag::storage
