#include "storage/testing/fake_writer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/row_checks.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::storage {

template <typename Key, typename Value>
void FakeWriter::Set(std::map<Key, Value>& map, const Key& key, Value value) {
  const auto found = map.find(key);
  if (found == map.end()) {
    undo_.push_back([&map, key] { map.erase(key); });
  } else {
    undo_.push_back([&map, key, old = found->second] { map[key] = old; });
  }
  map[key] = std::move(value);
}

template <typename Key, typename Value>
absl::Status FakeWriter::Insert(std::map<Key, Value>& map, const Key& key, Value value, const std::string& what) {
  if (map.contains(key)) return absl::AlreadyExistsError(absl::StrCat(what, " exists"));
  Set(map, key, std::move(value));
  return absl::OkStatus();
}

void FakeWriter::UndoTo(size_t size) {
  while (undo_.size() > size) {
    undo_.back()();
    undo_.pop_back();
  }
}

absl::StatusOr<uint64_t> FakeWriter::StartEpoch(absl::Time now) {
  const uint64_t epoch = state_.epochs.empty() ? 1 : state_.epochs.rbegin()->first + 1;
  Set(state_.epochs, epoch, now);
  return epoch;
}

absl::Status FakeWriter::InsertExperiment(const ExperimentRow& row, const std::string& request_id,
                                          const Digest& request_digest) {
  RETURN_IF_ERROR(CheckDigest(request_digest));
  const size_t before = undo_.size();
  absl::Status status = Insert(state_.experiments, row.id, row, absl::StrCat("experiment ", row.id));
  if (status.ok()) status = InsertRequest(request_id, RequestRow{"CreateExperiment", request_digest, row.id});
  if (!status.ok()) UndoTo(before);
  return status;
}

absl::Status FakeWriter::InsertTemplate(int64_t template_id, const v1::JobSpec& spec) {
  return Insert(state_.templates, template_id, spec, absl::StrCat("spec template ", template_id));
}

absl::Status FakeWriter::InsertJobs(int64_t experiment_id, const std::vector<JobRow>& new_jobs,
                                    const std::vector<LinkRow>& links, int64_t jobs_made) {
  const size_t before = undo_.size();
  absl::Status status;
  for (const JobRow& job : new_jobs) {
    if (status.ok()) status = InsertJob(job);
  }
  for (const LinkRow& link : links) {
    if (status.ok()) status = InsertLink(link);
  }
  const auto experiment = state_.experiments.find(experiment_id);
  if (status.ok() && experiment == state_.experiments.end()) {
    status = absl::NotFoundError(absl::StrCat("no experiment ", experiment_id));
  }
  if (!status.ok()) {
    UndoTo(before);
    return status;
  }
  ExperimentRow row = experiment->second;
  row.jobs_made = jobs_made;
  Set(state_.experiments, experiment_id, std::move(row));
  return absl::OkStatus();
}

absl::Status FakeWriter::InsertJob(const JobRow& job) {
  RETURN_IF_ERROR(CheckDigest(job.spec_digest));
  if (!state_.templates.contains(job.template_id)) {
    return absl::NotFoundError(absl::StrCat("no spec template ", job.template_id));
  }
  const FakeState::Content content(job.spec_digest, job.model_version, job.salt);
  RETURN_IF_ERROR(Insert(state_.job_ids, content, job.id, absl::StrCat("the content of job ", job.id)));
  return Insert(state_.jobs, job.id, FakeState::Job{job, ""}, absl::StrCat("job ", job.id));
}

absl::Status FakeWriter::InsertLink(const LinkRow& link) {
  RETURN_IF_ERROR(RequireJob(link.job_id));
  if (!state_.experiments.contains(link.experiment_id)) {
    return absl::NotFoundError(absl::StrCat("no experiment ", link.experiment_id));
  }
  return Insert(state_.links, {link.experiment_id, link.point, link.replicate}, FakeState::Link{link},
                absl::StrCat("the link of point ", link.point, ", replicate ", link.replicate));
}

absl::Status FakeWriter::RequireJob(int64_t job_id) const {
  return state_.jobs.contains(job_id) ? absl::OkStatus() : absl::NotFoundError(absl::StrCat("no job ", job_id));
}

absl::Status FakeWriter::InsertAttempt(const AttemptRow& row) {
  state_.last_fence = std::max(state_.last_fence, row.fence);
  RETURN_IF_ERROR(RequireJob(row.job_id));
  return Insert(state_.attempts, {row.job_id, row.number}, FakeState::Attempt{row, std::nullopt},
                absl::StrCat("attempt ", row.number, " of job ", row.job_id));
}

absl::Status FakeWriter::EndAttempt(const AttemptEnd& end) {
  RETURN_IF_ERROR(CheckAttemptEnd(end));
  const FakeState::AttemptKey key(end.job_id, end.number);
  const auto found = state_.attempts.find(key);
  if (found == state_.attempts.end()) {
    return absl::NotFoundError(absl::StrCat("job ", end.job_id, " has no attempt ", end.number));
  }
  if (found->second.end.has_value()) return absl::OkStatus();
  FakeState::Attempt attempt = found->second;
  attempt.end = end;
  Set(state_.attempts, key, std::move(attempt));
  FakeState::Job job = state_.jobs.at(end.job_id);
  job.row.infra_failures += end.failure_class == v1::FAILURE_CLASS_INFRA ? 1 : 0;
  job.row.lost += end.failure_class == v1::FAILURE_CLASS_LOST ? 1 : 0;
  Set(state_.jobs, end.job_id, std::move(job));
  return absl::OkStatus();
}

absl::Status FakeWriter::InsertResult(const ResultRow& row) {
  RETURN_IF_ERROR(CheckResult(row));
  RETURN_IF_ERROR(RequireJob(row.job_id));
  RETURN_IF_ERROR(Insert(state_.results, row.job_id, row, absl::StrCat("the result of job ", row.job_id)));
  FakeState::Job job = state_.jobs.at(row.job_id);
  job.row.state = v1::JOB_STATE_SUCCEEDED;
  job.failure.clear();
  Set(state_.jobs, row.job_id, std::move(job));
  return absl::OkStatus();
}

absl::Status FakeWriter::InsertDuplicate(const ResultRow& row, const std::string&) {
  RETURN_IF_ERROR(CheckDigest(row.result_digest));
  RETURN_IF_ERROR(RequireJob(row.job_id));
  const FakeState::DuplicateKey key(row.job_id, row.attempt, row.fence, row.result_digest);
  if (!state_.duplicates.contains(key)) Set(state_.duplicates, key, row);
  return absl::OkStatus();
}

absl::Status FakeWriter::SetJobState(int64_t job_id, v1::JobState state, const std::string& failure) {
  RETURN_IF_ERROR(CheckJobState(state));
  RETURN_IF_ERROR(RequireJob(job_id));
  FakeState::Job job = state_.jobs.at(job_id);
  if (job.row.state == v1::JOB_STATE_SUCCEEDED) return absl::OkStatus();
  job.row.state = state;
  job.failure = failure;
  Set(state_.jobs, job_id, std::move(job));
  return absl::OkStatus();
}

absl::Status FakeWriter::EndExperiment(int64_t experiment_id, v1::ExperimentState state, absl::Time end_time,
                                       const v1::JobCounts& counts) {
  const auto found = state_.experiments.find(experiment_id);
  if (found == state_.experiments.end()) return absl::NotFoundError(absl::StrCat("no experiment ", experiment_id));
  ExperimentRow row = found->second;
  row.state = state;
  row.end_time = end_time;
  row.final_counts = counts;
  Set(state_.experiments, experiment_id, std::move(row));
  if (state == v1::EXPERIMENT_STATE_CANCELLED) ReleaseLinks(experiment_id);
  return absl::OkStatus();
}

void FakeWriter::ReleaseLinks(int64_t experiment_id) {
  const auto begin = state_.links.lower_bound({experiment_id, INT64_MIN, INT64_MIN});
  for (auto link = begin; link != state_.links.end() && std::get<0>(link->first) == experiment_id; ++link) {
    const v1::JobState job_state = state_.jobs.at(link->second.row.job_id).row.state;
    if (job_state == v1::JOB_STATE_SUCCEEDED || job_state == v1::JOB_STATE_FAILED) continue;
    FakeState::Link released = link->second;
    released.released = true;
    Set(state_.links, link->first, std::move(released));
  }
}

absl::Status FakeWriter::InsertRequest(const std::string& request_id, const RequestRow& row) {
  RETURN_IF_ERROR(CheckDigest(row.request_digest));
  if (row.experiment_id != 0 && !state_.experiments.contains(row.experiment_id)) {
    return absl::NotFoundError(absl::StrCat("no experiment ", row.experiment_id));
  }
  return Insert(state_.requests, request_id, row, absl::StrCat("request ", request_id));
}

absl::Status FakeWriter::InsertCapture(const v1::Capture& capture) {
  ASSIGN_OR_RETURN(const Digest digest, CaptureDigest(capture.name()));
  if (!state_.captures.contains(digest)) Set(state_.captures, digest, capture);
  return absl::OkStatus();
}

absl::Status FakeWriter::InsertEvent(const EventRow& event) {
  Set(state_.events, state_.events.size(), event);
  return absl::OkStatus();
}

}  // namespace dmfrag::storage
