// The part of the coordinator that turns submitted experiments into jobs, and takes them up again after a restart.

#include <algorithm>
#include <chrono>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "proto/support/canonical.h"
#include "proto/support/model_version.h"
#include "server/coordinator/conversion.h"
#include "server/coordinator/coordinator.h"
#include "spdlog/spdlog.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::server {
namespace {

// Links made in one transaction: enough to spread a sync over many, few enough that results do not wait behind it.
constexpr int64_t kChunk = 2000;

// What one chunk adds.
struct Chunk {
  std::vector<std::pair<int64_t, v1::JobSpec>> templates;
  std::vector<storage::JobRow> jobs;     // new ones
  std::vector<storage::LinkRow> links;   // job_id 0: not known yet
  std::vector<storage::Digest> digests;  // of each link's job
  std::vector<int64_t> template_ids;     // of each link's point
  std::vector<uint64_t> seeds;           // of each link's job
};

// Links jobs_made .. jobs_made + count - 1, with the digests of their jobs.
absl::StatusOr<Chunk> MakeLinks(const Expansion& expansion, int64_t experiment_id, int64_t first, int64_t count,
                                int64_t& next_template_id) {
  Chunk chunk;
  int64_t point = -1;
  uint64_t base_seed = 0;
  v1::JobSpec spec;
  for (int64_t i = first; i < first + count; ++i) {
    if (i / expansion.replicates() != point) {
      point = i / expansion.replicates();
      ASSIGN_OR_RETURN(spec, expansion.PointSpec(point));
      base_seed = WithDefaults(spec).seed();
      spec.clear_seed();
      chunk.templates.emplace_back(next_template_id++, spec);
    }
    const int64_t replicate = i % expansion.replicates();
    const uint64_t seed = Expansion::ReplicateSeed(base_seed, static_cast<uint64_t>(replicate));
    chunk.links.push_back({experiment_id, point, replicate, 0, false});
    chunk.digests.push_back(CanonicalSha256(WithSeed(spec, seed)));
    chunk.template_ids.push_back(chunk.templates.back().first);
    chunk.seeds.push_back(seed);
  }
  return chunk;
}

QueuedJob ToQueued(const storage::JobRow& row) {
  QueuedJob job;
  job.id = row.id;
  job.template_id = row.template_id;
  job.seed = row.seed;
  std::memcpy(job.spec_digest.data(), row.spec_digest.data(), job.spec_digest.size());
  job.attempts = row.attempts;
  job.infra_failures = row.infra_failures;
  job.lost = row.lost;
  return job;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Coordinator>> Coordinator::Create(storage::Store& store,
                                                                 const CoordinatorOptions& options, NowFn now) {
  uint64_t epoch = 0;
  RETURN_IF_ERROR(store.CommitAndWait([&](storage::Writer& writer) -> absl::Status {
    ASSIGN_OR_RETURN(epoch, writer.StartEpoch(now()));
    return absl::OkStatus();
  }));
  ASSIGN_OR_RETURN(const storage::Reader::LastIds last, store.reader().GetLastIds());
  std::unique_ptr<Coordinator> coordinator(new Coordinator(store, options, std::move(now), epoch, last));
  RETURN_IF_ERROR(coordinator->Recover());
  coordinator->materialiser_ = std::thread([raw = coordinator.get()] { raw->MaterialiseLoop(); });
  return coordinator;
}

absl::Status Coordinator::Recover() {
  ASSIGN_OR_RETURN(const std::vector<storage::ExperimentRow> active, store_.reader().ActiveExperiments());
  for (const storage::ExperimentRow& row : active) RETURN_IF_ERROR(RecoverExperiment(row));
  ASSIGN_OR_RETURN(const std::vector<storage::AttemptRow> open, store_.reader().OpenAttempts());
  const std::lock_guard lock(mutex_);
  for (const storage::AttemptRow& row : open) {
    scheduler_.RestoreLease({row.job_id, row.number, row.fence}, row.worker, now_());
  }
  spdlog::info("epoch {}: {} experiments taken up, {} jobs queued, {} leased", epoch_, active.size(),
               scheduler_.queued(), scheduler_.running());
  return absl::OkStatus();
}

absl::Status Coordinator::RecoverExperiment(const storage::ExperimentRow& row) {
  const std::lock_guard lock(mutex_);
  ExperimentState& state = experiments_[row.id];
  state.expansion = std::make_shared<const Expansion>(Expansion::Restore(row.experiment));
  state.salt = row.salt;
  state.jobs_made = row.jobs_made;
  state.brief = ToProto(row, /*brief=*/true);
  scheduler_.AddExperiment(row.id, row.experiment.priority(), row.jobs_total);
  if (state.jobs_made < row.jobs_total) to_materialise_.push_back(row.id);
  changed_.notify_all();
  return store_.reader().VisitLinks(row.id, [&](const storage::LinkRow& link, const storage::JobRow& job) {
    if (scheduler_.Knows(job.id) || job.state == v1::JOB_STATE_QUEUED) {
      scheduler_.AddLink(row.id, ToQueued(job), link.cached);
    } else {
      scheduler_.AddFinalLink(row.id, job.state, link.cached);
    }
  });
}

void Coordinator::MaterialiseLoop() {
  while (true) {
    int64_t id = 0;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || !to_materialise_.empty(); });
      if (stopping_) return;
      id = to_materialise_.front();
      to_materialise_.pop_front();
    }
    // Experiments in turn, chunk by chunk, so that a small one does not wait for a large one.
    if (!MaterialiseChunk(id)) continue;
    const std::lock_guard lock(mutex_);
    to_materialise_.push_back(id);
  }
}

// Returns whether the experiment has more to make.
bool Coordinator::MaterialiseChunk(int64_t experiment_id) {
  std::shared_ptr<const Expansion> expansion;
  std::string salt;
  int64_t first = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto found = experiments_.find(experiment_id);
    if (found == experiments_.end() || found->second.cancelled) return false;
    expansion = found->second.expansion;
    salt = found->second.salt;
    first = found->second.jobs_made;
  }
  const int64_t count = std::min(kChunk, expansion->jobs() - first);
  absl::StatusOr<Chunk> chunk = MakeLinks(*expansion, experiment_id, first, count, next_template_id_);
  if (!chunk.ok()) {
    AbandonExperiment(experiment_id, chunk.status());
    return false;
  }
  const auto rows = store_.reader().FindJobs(chunk->digests, kModelVersion, salt);
  absl::Status status = rows.status();
  absl::flat_hash_map<int64_t, storage::JobRow> jobs;
  if (status.ok()) {
    absl::flat_hash_map<storage::Digest, int64_t> made;
    for (size_t i = 0; i < chunk->links.size(); ++i) {
      storage::LinkRow& link = chunk->links[i];
      const std::optional<storage::JobRow>& row = (*rows)[i];
      if (row.has_value()) {
        link.job_id = row->id;
        link.cached = true;
        jobs.emplace(row->id, *row);
        continue;
      }
      const auto [same, is_new] = made.try_emplace(chunk->digests[i], next_job_id_);
      link.job_id = same->second;
      link.cached = !is_new;
      if (!is_new) continue;
      storage::JobRow job;
      job.id = next_job_id_++;
      job.spec_digest = chunk->digests[i];
      job.model_version = kModelVersion;
      job.salt = salt;
      job.template_id = chunk->template_ids[i];
      job.seed = chunk->seeds[i];
      jobs.emplace(job.id, job);
      chunk->jobs.push_back(std::move(job));
    }
    status = store_.CommitAndWait([&](storage::Writer& writer) -> absl::Status {
      for (const auto& [id, spec] : chunk->templates) RETURN_IF_ERROR(writer.InsertTemplate(id, spec));
      return writer.InsertJobs(experiment_id, chunk->jobs, chunk->links, first + count);
    });
  }
  if (!status.ok()) {
    spdlog::error("experiment {}: its jobs could not be written, trying again: {}", experiment_id, status.ToString());
    std::unique_lock lock(mutex_);
    return !changed_.wait_for(lock, std::chrono::seconds(1), [&] { return stopping_; });
  }
  Outbox outbox;
  bool more = false;
  {
    const std::lock_guard lock(mutex_);
    const auto found = experiments_.find(experiment_id);
    if (found == experiments_.end() || found->second.cancelled) return false;
    found->second.jobs_made = first + count;
    for (auto& [id, spec] : chunk->templates) templates_[id] = std::make_unique<v1::JobSpec>(std::move(spec));
    for (const storage::LinkRow& link : chunk->links) Link(link, jobs.at(link.job_id), outbox);
    Dispatch(outbox);
    EndFinishedExperiments(outbox);
    more = first + count < expansion->jobs();
  }
  Flush(std::move(outbox));
  return more;
}

// Tells the scheduler of a link that is durable.
void Coordinator::Link(const storage::LinkRow& link, storage::JobRow job, Outbox& outbox) {
  if (scheduler_.Knows(job.id)) return scheduler_.AddLink(link.experiment_id, ToQueued(job), link.cached);
  if (link.cached && job.state != v1::JOB_STATE_SUCCEEDED) {  // it may have ended since its row was read
    const auto again = store_.reader().FindJobs({job.spec_digest}, job.model_version, job.salt);
    if (again.ok() && again->front().has_value()) job = *again->front();
  }
  if (job.state == v1::JOB_STATE_SUCCEEDED) {
    return scheduler_.AddFinalLink(link.experiment_id, v1::JOB_STATE_SUCCEEDED, link.cached);
  }
  if (job.state != v1::JOB_STATE_QUEUED) {  // another experiment gave it up; this one wants it, and it starts afresh
    job.infra_failures = 0;
    job.lost = 0;
    const int64_t id = job.id;
    outbox.commits.emplace_back(
        [id](storage::Writer& writer) { return writer.SetJobState(id, v1::JOB_STATE_QUEUED, ""); }, nullptr);
  }
  scheduler_.AddLink(link.experiment_id, ToQueued(job), link.cached);
}

// Ends an experiment whose points cannot be made: only a combination of axis values that Expansion::Create did not try.
void Coordinator::AbandonExperiment(int64_t experiment_id, const absl::Status& reason) {
  spdlog::error("experiment {} is cancelled: {}", experiment_id, reason.ToString());
  const absl::Status cancelled =
      CancelExperiment(experiment_id, absl::StrCat("abandon-", epoch_, "-", experiment_id)).status();
  if (!cancelled.ok()) spdlog::error("experiment {}: {}", experiment_id, cancelled.ToString());
}

}  // namespace dmfrag::server
