// The part of the coordinator that speaks with workers: leases go out, results come in.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "proto/support/canonical.h"
#include "proto/support/golden_set.h"
#include "proto/support/model_version.h"
#include "proto/support/sha256.h"
#include "server/coordinator/conversion.h"
#include "server/coordinator/coordinator.h"
#include "spdlog/spdlog.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::server {
namespace {

// Assignments of one message: large enough to share templates, small enough for one message.
constexpr size_t kMaxAssignmentsPerDispatch = 4096;
constexpr size_t kMaxSessionsRemembered = 1000;

storage::EventRow Event(absl::Time time, std::string kind, const AttemptKey& key, std::string detail) {
  storage::EventRow event;
  event.time = time;
  event.kind = std::move(kind);
  event.job_id = key.job_id;
  event.attempt = key.attempt;
  event.detail = std::move(detail);
  return event;
}

// The worker's build must compute what every other build does.
absl::Status CheckHello(const v1::Hello& hello) {
  if (hello.worker_id().empty() || hello.worker_id().size() > 64) {
    return absl::InvalidArgumentError("hello.worker_id: must have 1 to 64 characters");
  }
  if (hello.slots() == 0 || hello.slots() > 4096) return absl::InvalidArgumentError("hello.slots: must be 1 to 4096");
  if (hello.model_version() != kModelVersion) {
    return absl::FailedPreconditionError(absl::StrCat("the worker has model version ", hello.model_version(),
                                                      ", the server ", kModelVersion,
                                                      ": use the same release of both"));
  }
  for (const GoldenJob& golden : GoldenSet()) {
    const auto found = std::find_if(hello.golden().begin(), hello.golden().end(), [&](const v1::GoldenResult& result) {
      return result.spec_sha256() == golden.spec_sha256;
    });
    if (found == hello.golden().end()) {
      return absl::FailedPreconditionError(absl::StrCat("the worker did not run golden job ", golden.name));
    }
    if (found->result_sha256() != golden.result_sha256) {
      return absl::FailedPreconditionError(absl::StrCat("golden job ", golden.name, " came out as ",
                                                        found->result_sha256(), " instead of ", golden.result_sha256,
                                                        ": this build or machine computes other results"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<uint64_t> Coordinator::Connect(const v1::Hello& hello, std::shared_ptr<WorkerStream> stream) {
  RETURN_IF_ERROR(CheckHello(hello));
  Outbox outbox;
  uint64_t stream_id = 0;
  {
    const std::lock_guard lock(mutex_);
    if (draining_) return absl::UnavailableError("the server is stopping; reconnect with backoff");
    Session& session = sessions_[hello.worker_id()];
    if (session.stream != nullptr) {
      worker_of_stream_.erase(session.stream_id);
      session.stream->Close(absl::AbortedError("the worker has connected again"));
    }
    stream_id = next_stream_id_++;
    session.stream_id = stream_id;
    session.stream = std::move(stream);
    session.worker = ToWorker(hello, session.worker.completed());
    session.last_seen = now_();
    worker_of_stream_[stream_id] = hello.worker_id();
    const std::vector<AttemptKey> held = ToKeys(hello.running());
    const std::vector<AttemptKey> adopted = scheduler_.Connect(hello.worker_id(), held, now_());
    v1::WorkResponse welcome;
    welcome.mutable_welcome()->set_epoch(epoch_);
    welcome.mutable_welcome()->set_lease_ms(static_cast<uint32_t>(absl::ToInt64Milliseconds(options_.scheduler.lease)));
    welcome.mutable_welcome()->set_heartbeat_ms(static_cast<uint32_t>(absl::ToInt64Milliseconds(options_.heartbeat)));
    for (const AttemptKey& key : adopted) *welcome.mutable_welcome()->add_adopted() = ToRef(key);
    // At once, under the lock: the acknowledgement of an older result must not come first.
    session.stream->Send(std::move(welcome));
    spdlog::info("worker {} connected from {}: {} slots, {} attempts held, {} adopted", hello.worker_id(), hello.host(),
                 hello.slots(), held.size(), adopted.size());
    for (const AttemptKey& key : adopted) {  // its row is there unless the last server died before writing it
      storage::AttemptRow row{key.job_id, key.attempt, key.fence, epoch_, hello.worker_id(), now_()};
      const storage::EventRow event = Event(row.start_time, "attempt_adopted", key, hello.worker_id());
      outbox.commits.emplace_back(
          [=](storage::Writer& writer) -> absl::Status {
            const absl::Status inserted = writer.InsertAttempt(row);
            if (!inserted.ok() && !absl::IsAlreadyExists(inserted)) return inserted;
            return writer.InsertEvent(event);
          },
          nullptr);
    }
  }
  Flush(std::move(outbox));
  return stream_id;
}

Coordinator::Session* Coordinator::FindStream(uint64_t stream_id) {
  const auto found = worker_of_stream_.find(stream_id);
  return found == worker_of_stream_.end() ? nullptr : &sessions_.at(found->second);
}

absl::Status Coordinator::OnMessage(uint64_t stream_id, const v1::WorkRequest& message) {
  std::vector<bool> digests_ok;  // hashed before the lock is taken
  for (const v1::AttemptReport& report : message.report().reports()) {
    digests_ok.push_back(report.has_result() && ResultSha256Hex(report.result()) == report.result_sha256());
  }
  Outbox outbox;
  {
    const std::lock_guard lock(mutex_);
    Session* session = FindStream(stream_id);
    if (session == nullptr) return absl::AbortedError("this stream was replaced by a newer one");
    const std::string worker = worker_of_stream_.at(stream_id);
    session->last_seen = now_();
    switch (message.message_case()) {
      case v1::WorkRequest::kCredits:
        if (message.credits().count() == 0 || message.credits().count() > 4096) {
          return absl::InvalidArgumentError("credits.count: must be 1 to 4096");
        }
        scheduler_.AddCredits(worker, message.credits().count());
        break;
      case v1::WorkRequest::kHeartbeat:
        scheduler_.Heartbeat(worker, ToKeys(message.heartbeat().running()), now_());
        break;
      case v1::WorkRequest::kReport:
        for (int i = 0; i < message.report().reports_size(); ++i) {
          OnReport(worker, message.report().reports(i), digests_ok[static_cast<size_t>(i)], outbox);
        }
        break;
      case v1::WorkRequest::kRevoked:
        for (const v1::AttemptRef& ref : message.revoked().refs()) {
          EndAttempts(scheduler_.GiveBack(ToKey(ref)), "given back by the worker", "", outbox);
        }
        break;
      case v1::WorkRequest::kHello:
      case v1::WorkRequest::MESSAGE_NOT_SET:
        return absl::InvalidArgumentError("message: only the first one is a Hello, and each must be set");
    }
    Dispatch(outbox);
    EndFinishedExperiments(outbox);
  }
  Flush(std::move(outbox));
  return absl::OkStatus();
}

void Coordinator::OnReport(const std::string& worker, const v1::AttemptReport& report, bool digest_ok, Outbox& outbox) {
  if (report.end_case() != v1::AttemptReport::kResult) return OnFailure(worker, report, outbox);
  if (digest_ok) return OnResult(worker, report, outbox);
  v1::AttemptReport failed = report;
  failed.mutable_failure()->set_failure_class(v1::FAILURE_CLASS_INFRA);
  failed.mutable_failure()->set_message("the result does not have the digest the worker gave it");
  OnFailure(worker, failed, outbox);
}

// Queued after an attempt's own change, so that the worker forgets the attempt only once that is durable.
storage::Store::Done Coordinator::AcknowledgeOnceDurable(const std::string& worker, const v1::AttemptRef& ref) {
  return [this, worker, ref](const absl::Status& status) {
    // A job that is not there can have no evidence either: there is nothing the worker could do about it.
    if (!status.ok() && !absl::IsNotFound(status)) return;
    Outbox answer;
    {
      const std::lock_guard lock(mutex_);
      Acknowledge(worker, ref, answer);
    }
    Flush(std::move(answer));
  };
}

void Coordinator::OnFailure(const std::string& worker, const v1::AttemptReport& report, Outbox& outbox) {
  v1::FailureClass failure_class = report.failure().failure_class();
  const bool by_the_job = failure_class == v1::FAILURE_CLASS_USER || failure_class == v1::FAILURE_CLASS_TIMEOUT;
  if (!by_the_job) failure_class = v1::FAILURE_CLASS_INFRA;
  EndAttempts(scheduler_.OnFailure(ToKey(report.ref()), failure_class), report.failure().message(),
              report.stderr_tail(), outbox);
  outbox.commits.emplace_back([](storage::Writer&) { return absl::OkStatus(); },
                              AcknowledgeOnceDurable(worker, report.ref()));
}

void Coordinator::OnResult(const std::string& worker, const v1::AttemptReport& report, Outbox& outbox) {
  const AttemptKey key = ToKey(report.ref());
  const Verdict verdict = scheduler_.OnResult(key);
  if (verdict == Verdict::kPending) return;
  if (verdict == Verdict::kAlreadyStored) return Acknowledge(worker, report.ref(), outbox);

  const absl::Time now = now_();
  const storage::ResultRow row = ToResultRow(report, worker, now);
  const v1::AttemptRef ref = report.ref();
  if (verdict == Verdict::kStale) {
    outbox.commits.emplace_back(
        [=](storage::Writer& writer) { return writer.InsertDuplicate(row, "another attempt has the job"); },
        AcknowledgeOnceDurable(worker, ref));
    return;
  }
  storage::AttemptEnd end;
  end.job_id = key.job_id;
  end.number = key.attempt;
  end.end_time = now;
  end.stderr_tail = report.stderr_tail();
  const storage::EventRow event = Event(now, "job_succeeded", key, worker);
  outbox.commits.emplace_back(
      [=](storage::Writer& writer) -> absl::Status {
        const absl::Status inserted = writer.InsertResult(row);
        if (absl::IsAlreadyExists(inserted)) return writer.InsertDuplicate(row, "the job has a result");
        RETURN_IF_ERROR(inserted);
        RETURN_IF_ERROR(writer.EndAttempt(end));
        return writer.InsertEvent(event);
      },
      [this, worker, ref](const absl::Status& status) { OnResultCommitted(worker, ref, status); });
}

void Coordinator::OnResultCommitted(const std::string& worker, const v1::AttemptRef& ref, const absl::Status& status) {
  Outbox outbox;
  {
    const std::lock_guard lock(mutex_);
    if (status.ok()) {
      scheduler_.Committed(ref.job_id());
      const auto session = sessions_.find(worker);
      if (session != sessions_.end()) session->second.worker.set_completed(session->second.worker.completed() + 1);
      Acknowledge(worker, ref, outbox);
      EndFinishedExperiments(outbox);
    } else {
      spdlog::error("job {}: its result could not be written: {}", ref.job_id(), status.ToString());
      scheduler_.CommitFailed(ref.job_id(), now_());
    }
  }
  Flush(std::move(outbox));
}

void Coordinator::EndAttempts(const std::vector<EndedAttempt>& ended, const std::string& message,
                              const std::string& stderr_tail, Outbox& outbox) {
  const absl::Time now = now_();
  for (const EndedAttempt& attempt : ended) {
    storage::AttemptEnd end;
    end.job_id = attempt.key.job_id;
    end.number = attempt.key.attempt;
    end.end_time = now;
    end.failure_class = attempt.failure_class;
    end.failure = message;
    end.stderr_tail = stderr_tail;
    const storage::EventRow event =
        Event(now, attempt.set_aside ? "job_failed" : "attempt_failed", attempt.key, message);
    const bool set_aside = attempt.set_aside;
    outbox.commits.emplace_back(
        [=](storage::Writer& writer) -> absl::Status {
          RETURN_IF_ERROR(writer.EndAttempt(end));
          if (set_aside) RETURN_IF_ERROR(writer.SetJobState(end.job_id, v1::JOB_STATE_FAILED, end.failure));
          return writer.InsertEvent(event);
        },
        nullptr);
  }
}

void Coordinator::Acknowledge(const std::string& worker, const v1::AttemptRef& ref, Outbox& outbox) {
  const auto session = sessions_.find(worker);
  if (session == sessions_.end() || session->second.stream == nullptr) return;  // it asks again when it is back
  v1::WorkResponse message;
  *message.mutable_acknowledge()->add_refs() = ref;
  outbox.messages.emplace_back(session->second.stream, std::move(message));
}

void Coordinator::Disconnect(uint64_t stream_id) {
  const std::lock_guard lock(mutex_);
  Session* session = FindStream(stream_id);
  if (session == nullptr) return;
  const std::string worker = worker_of_stream_.at(stream_id);
  worker_of_stream_.erase(stream_id);
  session->stream = nullptr;
  session->stream_id = 0;
  scheduler_.Disconnect(worker);
  spdlog::info("worker {} disconnected", worker);
  if (sessions_.size() > kMaxSessionsRemembered) sessions_.erase(worker);
}

std::vector<v1::Worker> Coordinator::Workers() const {
  std::vector<v1::Worker> workers;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, session] : sessions_) {
    workers.push_back(session.worker);
    workers.back().set_running(static_cast<uint32_t>(scheduler_.running_on(id)));
    workers.back().set_connected(session.stream != nullptr);
    *workers.back().mutable_last_seen_time() = ToTimestamp(session.last_seen);
  }
  return workers;
}

const v1::JobSpec& Coordinator::Template(int64_t id) {
  std::unique_ptr<v1::JobSpec>& spec = templates_[id];
  if (spec == nullptr) {
    const absl::StatusOr<v1::JobSpec> stored = store_.reader().GetTemplate(id);
    // An unreadable template makes a spec that every worker refuses with kInvalidArgument: the job fails, with its
    // reason.
    if (!stored.ok()) spdlog::error("spec template {}: {}", id, stored.status().ToString());
    spec = std::make_unique<v1::JobSpec>(stored.ok() ? *stored : v1::JobSpec());
  }
  return *spec;
}

void Coordinator::Dispatch(Outbox& outbox) {
  if (draining_) return;
  const absl::Time now = now_();
  const std::vector<Lease> leases = scheduler_.Assign(now, kMaxAssignmentsPerDispatch);
  if (leases.empty()) return;
  struct Batch {
    v1::WorkResponse message;
    std::map<int64_t, uint32_t> template_ids;
  };
  std::map<std::string, Batch> batches;
  std::vector<storage::AttemptRow> rows;
  for (const Lease& lease : leases) {
    Batch& batch = batches[lease.worker];
    v1::Assign& assign = *batch.message.mutable_assign();
    const auto [known, is_new] = batch.template_ids.try_emplace(lease.template_id, batch.template_ids.size());
    if (is_new) {
      v1::SpecTemplate& spec_template = *assign.add_templates();
      spec_template.set_id(known->second);
      *spec_template.mutable_spec() = Template(lease.template_id);
    }
    v1::Assignment& assignment = *assign.add_assignments();
    *assignment.mutable_ref() = ToRef(lease.key);
    assignment.set_template_id(known->second);
    assignment.set_seed(lease.seed);
    assignment.set_spec_sha256(ToHex({lease.spec_digest.data(), lease.spec_digest.size()}));
    rows.push_back({lease.key.job_id, lease.key.attempt, lease.key.fence, epoch_, lease.worker, now});
  }
  outbox.commits.emplace_back(
      [rows = std::move(rows)](storage::Writer& writer) -> absl::Status {
        for (const storage::AttemptRow& row : rows) RETURN_IF_ERROR(writer.InsertAttempt(row));
        return absl::OkStatus();
      },
      nullptr);
  for (auto& [worker, batch] : batches)
    outbox.messages.emplace_back(sessions_.at(worker).stream, std::move(batch.message));
}

void Coordinator::Tick() {
  Outbox outbox;
  {
    const std::lock_guard lock(mutex_);
    const std::vector<EndedAttempt> late = scheduler_.Expire(now_());
    for (const EndedAttempt& attempt : late) {
      spdlog::warn("job {} attempt {}: worker {} was silent for longer than its lease", attempt.key.job_id,
                   attempt.key.attempt, attempt.worker);
    }
    EndAttempts(late, "the worker was silent for longer than its lease", "", outbox);
    Dispatch(outbox);
    EndFinishedExperiments(outbox);
  }
  Flush(std::move(outbox));
}

void Coordinator::Drain() {
  Outbox outbox;
  {
    const std::lock_guard lock(mutex_);
    draining_ = true;
    for (const auto& [id, session] : sessions_) {
      if (session.stream == nullptr) continue;
      v1::WorkResponse message;
      message.mutable_drain();
      outbox.messages.emplace_back(session.stream, std::move(message));
    }
  }
  Flush(std::move(outbox));
}

}  // namespace dmfrag::server
