#include "server/coordinator/coordinator.h"

#include <future>

#include "absl/strings/str_cat.h"
#include "proto/support/canonical.h"
#include "proto/support/model_version.h"
#include "proto/support/names.h"
#include "proto/support/sha256.h"
#include "server/coordinator/conversion.h"
#include "spdlog/spdlog.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::server {
namespace {

constexpr size_t kMaxRequestIdSize = 64;

absl::Status CheckRequestId(const std::string& request_id) {
  if (!request_id.empty() && request_id.size() <= kMaxRequestIdSize) return absl::OkStatus();
  return absl::InvalidArgumentError("request_id: must have 1 to 64 characters; make a new UUID for each request");
}

}  // namespace

Coordinator::Coordinator(storage::Store& store, const CoordinatorOptions& options, NowFn now, uint64_t epoch,
                         storage::Reader::LastIds last)
    : store_(store),
      options_(options),
      now_(std::move(now)),
      epoch_(epoch),
      scheduler_(options.scheduler, epoch),
      next_experiment_id_(last.experiment + 1),
      next_job_id_(last.job + 1),
      next_template_id_(last.spec_template + 1) {}

Coordinator::~Coordinator() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (materialiser_.joinable()) materialiser_.join();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return open_commits_ == 0; });
}

absl::StatusOr<v1::Experiment> Coordinator::AnswerRepeated(const storage::RequestRow& row, const std::string& method,
                                                           const storage::Digest& digest) const {
  if (row.method != method || row.request_digest != digest) {
    return absl::AlreadyExistsError("request_id: was used for another request; make a new UUID");
  }
  return GetExperiment(row.experiment_id, /*brief=*/false);
}

absl::StatusOr<v1::Experiment> Coordinator::CreateExperiment(const v1::CreateExperimentRequest& request) {
  ASSIGN_OR_RETURN(const Expansion expansion, Expansion::Create(request.experiment()));
  for (const std::string& capture : expansion.Captures()) {
    if (!store_.reader().GetCapture(CaptureName(capture)).ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("there is no capture ", capture, "; upload it first"));
    }
  }
  if (request.validate_only()) {
    v1::Experiment answer = request.experiment();
    answer.set_points(expansion.points());
    answer.mutable_counts()->set_total(expansion.jobs());
    return answer;
  }
  RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  const storage::Digest digest = CanonicalSha256(request);
  const auto repeated = store_.reader().GetRequest(request.request_id());
  if (repeated.ok()) return AnswerRepeated(*repeated, "CreateExperiment", digest);

  storage::ExperimentRow row;
  {
    const std::lock_guard lock(mutex_);
    row.id = next_experiment_id_++;
  }
  row.experiment = request.experiment();
  ClearServerFields(row.experiment);
  row.experiment.set_model_version(kModelVersion);
  row.points = expansion.points();
  row.jobs_total = expansion.jobs();
  if (request.no_cache()) row.salt = request.request_id();
  row.create_time = now_();
  const absl::Status stored = store_.CommitAndWait([&](storage::Writer& writer) -> absl::Status {
    RETURN_IF_ERROR(writer.InsertExperiment(row, request.request_id(), digest));
    storage::EventRow event;
    event.time = row.create_time;
    event.kind = "experiment_created";
    event.experiment_id = row.id;
    return writer.InsertEvent(event);
  });
  if (absl::IsAlreadyExists(stored)) {  // the same request came twice at the same time
    ASSIGN_OR_RETURN(const storage::RequestRow first, store_.reader().GetRequest(request.request_id()));
    return AnswerRepeated(first, "CreateExperiment", digest);
  }
  RETURN_IF_ERROR(stored);
  RETURN_IF_ERROR(RecoverExperiment(row));  // nothing is linked yet: takes it up as a restart would
  return GetExperiment(row.id, /*brief=*/false);
}

absl::StatusOr<v1::Experiment> Coordinator::CancelExperiment(int64_t id, const std::string& request_id) {
  RETURN_IF_ERROR(CheckRequestId(request_id));
  const storage::RequestRow request{"CancelExperiment", Sha256(absl::StrCat("CancelExperiment\n", id)), id};
  const auto repeated = store_.reader().GetRequest(request_id);
  if (repeated.ok()) return AnswerRepeated(*repeated, request.method, request.request_digest);
  RETURN_IF_ERROR(store_.reader().GetExperiment(id).status());

  Outbox outbox;
  std::promise<absl::Status> written;
  {
    const std::lock_guard lock(mutex_);
    const auto found = experiments_.find(id);
    // A cancellation that could not be written before is written now.
    const bool active = found != experiments_.end() && (!found->second.ending || found->second.cancelled);
    v1::JobCounts counts;
    if (active && found->second.cancelled) counts = scheduler_.Counts(id);
    if (active && !found->second.cancelled) {
      found->second.ending = true;
      found->second.cancelled = true;
      Scheduler::Cancelled cancelled = scheduler_.Cancel(id);
      counts = cancelled.counts;
      std::map<std::string, v1::WorkResponse> revokes;
      for (const Lease& lease : cancelled.revoke)
        *revokes[lease.worker].mutable_revoke()->add_refs() = ToRef(lease.key);
      for (auto& [worker, message] : revokes) {
        const auto session = sessions_.find(worker);
        if (session != sessions_.end() && session->second.stream != nullptr) {
          outbox.messages.emplace_back(session->second.stream, std::move(message));
        }
      }
    }
    const absl::Time now = now_();
    outbox.commits.emplace_back(
        [=](storage::Writer& writer) -> absl::Status {
          RETURN_IF_ERROR(writer.InsertRequest(request_id, request));
          if (!active) return absl::OkStatus();  // it has ended already: nothing to release
          RETURN_IF_ERROR(writer.EndExperiment(id, v1::EXPERIMENT_STATE_CANCELLED, now, counts));
          storage::EventRow event;
          event.time = now;
          event.kind = "experiment_cancelled";
          event.experiment_id = id;
          return writer.InsertEvent(event);
        },
        [&, this](const absl::Status& result) {
          if (result.ok()) {
            const std::lock_guard done_lock(mutex_);
            const auto written_one = experiments_.find(id);
            if (written_one != experiments_.end()) written_one->second.end_written = true;
          }
          written.set_value(result);
        });
  }
  Flush(std::move(outbox));
  RETURN_IF_ERROR(written.get_future().get());
  Tick();  // forgets it
  return GetExperiment(id, /*brief=*/false);
}

v1::Experiment Coordinator::Brief(int64_t id, const ExperimentState& state) const {
  v1::Experiment experiment = state.brief;
  experiment.set_state(state.cancelled ? v1::EXPERIMENT_STATE_CANCELLED : v1::EXPERIMENT_STATE_ACTIVE);
  *experiment.mutable_counts() = scheduler_.Counts(id);
  return experiment;
}

absl::StatusOr<v1::Experiment> Coordinator::GetExperiment(int64_t id, bool brief) const {
  if (brief) {
    const std::lock_guard lock(mutex_);
    const auto found = experiments_.find(id);
    if (found != experiments_.end()) return Brief(id, found->second);
  }
  ASSIGN_OR_RETURN(const storage::ExperimentRow row, store_.reader().GetExperiment(id));
  v1::Experiment experiment = ToProto(row, brief);
  if (row.state != v1::EXPERIMENT_STATE_ACTIVE) return experiment;
  const std::lock_guard lock(mutex_);
  const auto found = experiments_.find(id);
  if (found != experiments_.end()) *experiment.mutable_counts() = scheduler_.Counts(id);
  return experiment;
}

absl::StatusOr<std::vector<v1::Experiment>> Coordinator::ListExperiments(int64_t before_id, int64_t limit) const {
  ASSIGN_OR_RETURN(const std::vector<storage::ExperimentRow> rows, store_.reader().ListExperiments(before_id, limit));
  std::vector<v1::Experiment> experiments;
  const std::lock_guard lock(mutex_);
  for (const storage::ExperimentRow& row : rows) {
    experiments.push_back(ToProto(row, /*brief=*/true));
    const bool active = row.state == v1::EXPERIMENT_STATE_ACTIVE && experiments_.contains(row.id);
    if (active) *experiments.back().mutable_counts() = scheduler_.Counts(row.id);
  }
  return experiments;
}

v1::JobState Coordinator::StateOf(int64_t job_id) const {
  const std::lock_guard lock(mutex_);
  return scheduler_.StateOf(job_id);
}

void Coordinator::EndFinishedExperiments(Outbox& outbox) {
  for (auto it = experiments_.begin(); it != experiments_.end();) {
    const int64_t id = it->first;
    ExperimentState& state = it->second;
    if (!scheduler_.IsFinished(id)) {
      ++it;
      continue;
    }
    if (state.cancelled && state.end_written) {
      scheduler_.RemoveExperiment(id);
      it = experiments_.erase(it);
      continue;
    }
    ++it;
    if (state.ending) continue;
    state.ending = true;
    const absl::Time now = now_();
    const v1::JobCounts counts = scheduler_.Counts(id);
    outbox.commits.emplace_back(
        [=](storage::Writer& writer) -> absl::Status {
          RETURN_IF_ERROR(writer.EndExperiment(id, v1::EXPERIMENT_STATE_DONE, now, counts));
          storage::EventRow event;
          event.time = now;
          event.kind = "experiment_done";
          event.experiment_id = id;
          return writer.InsertEvent(event);
        },
        [this, id](const absl::Status& status) {
          const std::lock_guard lock(mutex_);
          const auto found = experiments_.find(id);
          if (found == experiments_.end()) return;
          if (!status.ok()) {  // tried again at the next tick
            spdlog::error("experiment {}: its end could not be written: {}", id, status.ToString());
            found->second.ending = false;
            return;
          }
          scheduler_.RemoveExperiment(id);
          experiments_.erase(found);
          if (experiments_.empty()) templates_.clear();
        });
  }
}

void Coordinator::Flush(Outbox outbox) {
  {
    const std::lock_guard lock(mutex_);
    open_commits_ += static_cast<int64_t>(outbox.commits.size());
  }
  for (auto& [work, done] : outbox.commits) {
    store_.Commit(std::move(work), [this, done = std::move(done)](const absl::Status& status) {
      if (done != nullptr) {
        done(status);
      } else if (!status.ok()) {
        spdlog::error("a change could not be written: {}", status.ToString());
      }
      const std::lock_guard lock(mutex_);
      --open_commits_;
      changed_.notify_all();
    });
  }
  for (auto& [stream, message] : outbox.messages) stream->Send(std::move(message));
}

}  // namespace dmfrag::server
