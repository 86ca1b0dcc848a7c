#include "server/scheduler/scheduler.h"

#include <algorithm>
#include <utility>

#include "third_party/abseil_extras/check.h"

namespace dmfrag::server {
namespace {

// How many finished jobs are remembered, so that a result sent again is told from a second result.
constexpr size_t kRememberedFences = 65536;

}  // namespace

// The epoch in the upper half makes every fence of this server greater than those of its predecessors, durable or not.
Scheduler::Scheduler(const SchedulerOptions& options, uint64_t epoch)
    : options_(options), next_fence_((epoch << 32) | 1) {}

void Scheduler::AddExperiment(int64_t id, int32_t priority, int64_t total) {
  ExperimentEntry entry;
  entry.priority = priority;
  entry.total = total;
  CHECK(experiments_.emplace(id, std::move(entry)).second);
}

void Scheduler::AddLink(int64_t experiment, const QueuedJob& queued, bool cached) {
  ExperimentEntry& entry = experiments_.at(experiment);
  auto [found, is_new] = jobs_.try_emplace(queued.id);
  Job& job = found->second;
  ++entry.linked;
  entry.jobs.push_back(queued.id);
  job.experiments.push_back(experiment);
  if (cached) ++entry.cached;
  if (is_new) {
    job.spec = queued;
    ++queued_;
  }
  if (job.state == State::kQueued) {
    ++entry.queued;
    entry.ready.push_back(queued.id);
    Rotate(experiment);
  } else {
    ++entry.running;
  }
}

void Scheduler::AddFinalLink(int64_t experiment, v1::JobState state, bool cached) {
  ExperimentEntry& entry = experiments_.at(experiment);
  ++entry.linked;
  if (cached) ++entry.cached;
  if (state == v1::JOB_STATE_SUCCEEDED) {
    ++entry.succeeded;
  } else if (state == v1::JOB_STATE_FAILED) {
    ++entry.failed;
  } else {
    ++entry.cancelled;
  }
}

Scheduler::Cancelled Scheduler::Cancel(int64_t experiment) {
  Cancelled result;
  int64_t committing = 0;
  ExperimentEntry& entry = experiments_.at(experiment);
  for (const int64_t id : entry.jobs) {
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) continue;
    Job& job = found->second;
    const auto link = std::find(job.experiments.begin(), job.experiments.end(), experiment);
    if (link == job.experiments.end()) continue;
    if (job.state == State::kCommitting) {  // its result is on the way to the disk already
      ++committing;
      continue;
    }
    job.experiments.erase(link);
    --(job.state == State::kQueued ? entry.queued : entry.running);
    ++entry.cancelled;
    if (!job.experiments.empty()) continue;
    if (job.state == State::kLeased) {
      result.revoke.push_back({job.lease, job.worker, job.spec.template_id, job.spec.seed, job.spec.spec_digest});
      EndLease(job);
    } else {
      --queued_;
    }
    jobs_.erase(found);
  }
  // Jobs that were never made are cancelled with the rest.
  entry.cancelled += entry.total - entry.linked;
  entry.linked = entry.total;
  result.counts = Counts(experiment);
  result.counts.set_running(entry.running - committing);
  result.counts.set_succeeded(entry.succeeded + committing);
  return result;
}

v1::JobCounts Scheduler::Counts(int64_t experiment) const {
  const ExperimentEntry& entry = experiments_.at(experiment);
  v1::JobCounts counts;
  counts.set_total(entry.total);
  counts.set_queued(entry.queued + entry.total - entry.linked);
  counts.set_running(entry.running);
  counts.set_succeeded(entry.succeeded);
  counts.set_failed(entry.failed);
  counts.set_cancelled(entry.cancelled);
  counts.set_cached(entry.cached);
  return counts;
}

bool Scheduler::IsFinished(int64_t experiment) const {
  const ExperimentEntry& entry = experiments_.at(experiment);
  return entry.succeeded + entry.failed + entry.cancelled == entry.total;
}

void Scheduler::RemoveExperiment(int64_t experiment) {
  const auto found = experiments_.find(experiment);
  CHECK(found != experiments_.end());
  if (found->second.in_rotation) rotation_[found->second.priority].remove(experiment);
  experiments_.erase(found);
}

v1::JobState Scheduler::StateOf(int64_t job_id) const {
  const auto found = jobs_.find(job_id);
  if (found == jobs_.end()) return v1::JOB_STATE_UNSPECIFIED;
  return found->second.state == State::kQueued ? v1::JOB_STATE_QUEUED : v1::JOB_STATE_RUNNING;
}

void Scheduler::RestoreLease(const AttemptKey& key, const std::string& worker, absl::Time now) {
  const auto found = jobs_.find(key.job_id);
  if (found == jobs_.end() || found->second.state != State::kQueued) return;
  LeaseTo(found->second, worker, key, now);
}

std::vector<AttemptKey> Scheduler::Connect(const std::string& worker, const std::vector<AttemptKey>& held,
                                           absl::Time now) {
  WorkerEntry& entry = workers_[worker];
  entry.connected = true;
  entry.credits = 0;
  std::vector<AttemptKey> adopted;
  for (const AttemptKey& key : held) {
    const auto found = jobs_.find(key.job_id);
    if (found == jobs_.end()) continue;
    Job& job = found->second;
    if (job.state == State::kQueued) {
      LeaseTo(job, worker, key, now);  // leased before the server died, and never written down
    } else if (job.lease.fence != key.fence) {
      continue;
    }
    job.deadline = now + options_.lease;
    adopted.push_back(key);
  }
  return adopted;
}

void Scheduler::Disconnect(const std::string& worker) {
  const auto found = workers_.find(worker);
  if (found == workers_.end()) return;
  found->second.connected = false;
  found->second.credits = 0;
  if (found->second.running == 0) workers_.erase(found);
}

void Scheduler::AddCredits(const std::string& worker, uint32_t credits) {
  const auto found = workers_.find(worker);
  if (found != workers_.end()) found->second.credits += credits;
}

void Scheduler::Heartbeat(const std::string& worker, const std::vector<AttemptKey>& held, absl::Time now) {
  for (const AttemptKey& key : held) {
    const auto found = jobs_.find(key.job_id);
    if (found == jobs_.end()) continue;
    Job& job = found->second;
    const bool is_its_lease = job.state != State::kQueued && job.lease.fence == key.fence && job.worker == worker;
    if (is_its_lease) job.deadline = now + options_.lease;
  }
}

std::vector<Lease> Scheduler::Assign(absl::Time now, size_t limit) {
  std::vector<Lease> leases;
  while (leases.size() < limit && !rotation_.empty()) {
    // The next worker with credits after the last one served, around the ring.
    auto chosen = workers_.end();
    auto it = workers_.upper_bound(last_assigned_);
    for (size_t i = 0; i < workers_.size(); ++i) {
      if (it == workers_.end()) it = workers_.begin();
      if (it->second.connected && it->second.credits > 0) {
        chosen = it;
        break;
      }
      ++it;
    }
    if (chosen == workers_.end()) break;
    Job* job = NextQueued();
    if (job == nullptr) break;
    --chosen->second.credits;
    last_assigned_ = chosen->first;
    LeaseTo(*job, chosen->first, {job->spec.id, job->spec.attempts + 1, next_fence_++}, now);
    leases.push_back({job->lease, job->worker, job->spec.template_id, job->spec.seed, job->spec.spec_digest});
  }
  return leases;
}

std::vector<EndedAttempt> Scheduler::Expire(absl::Time now) {
  std::vector<int64_t> late;
  for (const int64_t id : leased_) {
    const Job& job = jobs_.at(id);
    if (job.state == State::kLeased && job.deadline < now) late.push_back(id);
  }
  std::sort(late.begin(), late.end());
  std::vector<EndedAttempt> ended;
  for (const int64_t id : late) ended.push_back(FailAttempt(jobs_.at(id), v1::FAILURE_CLASS_LOST));
  return ended;
}

Verdict Scheduler::OnResult(const AttemptKey& key) {
  const auto found = jobs_.find(key.job_id);
  if (found == jobs_.end()) {
    const auto stored = stored_fence_.find(key.job_id);
    return stored != stored_fence_.end() && stored->second == key.fence ? Verdict::kAlreadyStored : Verdict::kStale;
  }
  Job& job = found->second;
  if (job.state == State::kQueued || job.lease.fence != key.fence) return Verdict::kStale;
  if (job.state == State::kCommitting) return Verdict::kPending;
  job.state = State::kCommitting;
  return Verdict::kCommit;
}

void Scheduler::Committed(int64_t job_id) {
  Job& job = jobs_.at(job_id);
  CHECK(job.state == State::kCommitting);
  stored_fence_[job_id] = job.lease.fence;
  stored_order_.push_back(job_id);
  if (stored_order_.size() > kRememberedFences) {
    stored_fence_.erase(stored_order_.front());
    stored_order_.pop_front();
  }
  EndLease(job);
  Finish(job_id, v1::JOB_STATE_SUCCEEDED);
}

void Scheduler::CommitFailed(int64_t job_id, absl::Time now) {
  Job& job = jobs_.at(job_id);
  CHECK(job.state == State::kCommitting);
  job.state = State::kLeased;
  job.deadline = now + options_.lease;
}

Scheduler::Job* Scheduler::FindLeased(const AttemptKey& key) {
  const auto found = jobs_.find(key.job_id);
  if (found == jobs_.end()) return nullptr;
  Job& job = found->second;
  return job.state == State::kLeased && job.lease.fence == key.fence ? &job : nullptr;
}

std::vector<EndedAttempt> Scheduler::OnFailure(const AttemptKey& key, v1::FailureClass failure_class) {
  Job* job = FindLeased(key);
  if (job == nullptr) return {};
  return {FailAttempt(*job, failure_class)};
}

std::vector<EndedAttempt> Scheduler::GiveBack(const AttemptKey& key) {
  Job* job = FindLeased(key);
  if (job == nullptr) return {};
  const EndedAttempt ended{job->lease, job->worker, v1::FAILURE_CLASS_UNSPECIFIED, false};
  EndLease(*job);
  Requeue(*job);
  return {ended};
}

size_t Scheduler::running_on(const std::string& worker) const {
  const auto found = workers_.find(worker);
  return found == workers_.end() ? 0 : found->second.running;
}

void Scheduler::Rotate(int64_t experiment) {
  ExperimentEntry& entry = experiments_.at(experiment);
  if (entry.in_rotation) return;
  entry.in_rotation = true;
  rotation_[entry.priority].push_back(experiment);
}

Scheduler::Job* Scheduler::NextQueued() {
  while (!rotation_.empty()) {
    auto level = rotation_.begin();
    std::list<int64_t>& turn = level->second;
    if (turn.empty()) {
      rotation_.erase(level);
      continue;
    }
    const int64_t id = turn.front();
    turn.pop_front();
    ExperimentEntry& entry = experiments_.at(id);
    entry.in_rotation = false;
    while (!entry.ready.empty()) {
      const auto found = jobs_.find(entry.ready.front());
      entry.ready.pop_front();
      if (found == jobs_.end() || found->second.state != State::kQueued) continue;
      if (!entry.ready.empty()) Rotate(id);
      return &found->second;
    }
  }
  return nullptr;
}

void Scheduler::LeaseTo(Job& job, const std::string& worker, const AttemptKey& key, absl::Time now) {
  CHECK(job.state == State::kQueued);
  job.state = State::kLeased;
  job.lease = key;
  job.worker = worker;
  job.deadline = now + options_.lease;
  job.spec.attempts = std::max(job.spec.attempts, key.attempt);
  --queued_;
  leased_.insert(job.spec.id);
  ++workers_[worker].running;
  for (const int64_t id : job.experiments) {
    ExperimentEntry& entry = experiments_.at(id);
    --entry.queued;
    ++entry.running;
  }
}

// Ends the lease alone: the job's experiments are counted by the caller.
void Scheduler::EndLease(Job& job) {
  leased_.erase(job.spec.id);
  const auto found = workers_.find(job.worker);
  CHECK(found != workers_.end() && found->second.running > 0);
  --found->second.running;
  if (!found->second.connected && found->second.running == 0) workers_.erase(found);
}

void Scheduler::Finish(int64_t job_id, v1::JobState state) {
  const auto found = jobs_.find(job_id);
  for (const int64_t id : found->second.experiments) {
    ExperimentEntry& entry = experiments_.at(id);
    --entry.running;
    ++(state == v1::JOB_STATE_SUCCEEDED ? entry.succeeded : entry.failed);
  }
  jobs_.erase(found);
}

EndedAttempt Scheduler::FailAttempt(Job& job, v1::FailureClass failure_class) {
  EndedAttempt ended{job.lease, job.worker, failure_class, false};
  if (failure_class == v1::FAILURE_CLASS_INFRA) {
    ended.set_aside = ++job.spec.infra_failures >= options_.max_infra_failures;
  } else if (failure_class == v1::FAILURE_CLASS_LOST) {
    ended.set_aside = ++job.spec.lost >= options_.max_lost;
  } else {
    ended.set_aside = true;  // its own fault: it would fail again
  }
  EndLease(job);
  if (ended.set_aside) {
    Finish(job.spec.id, v1::JOB_STATE_FAILED);
    return ended;
  }
  Requeue(job);
  return ended;
}

// A job that comes back goes first: an experiment's tail should not wait for its retries.
void Scheduler::Requeue(Job& job) {
  job.state = State::kQueued;
  ++queued_;
  for (const int64_t id : job.experiments) {
    ExperimentEntry& entry = experiments_.at(id);
    --entry.running;
    ++entry.queued;
    entry.ready.push_front(job.spec.id);
    Rotate(id);
  }
}

}  // namespace dmfrag::server
