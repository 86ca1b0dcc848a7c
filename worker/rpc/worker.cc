#include "worker/rpc/worker.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/protobuf/text_format.h"
#include "proto/support/canonical.h"
#include "proto/support/golden_set.h"
#include "proto/support/grpc_status.h"
#include "proto/support/model_version.h"
#include "proto/support/spec_captures.h"
#include "spdlog/spdlog.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::worker {
namespace {

constexpr size_t kMaxReportBytes = size_t{1} << 20;
constexpr size_t kMaxBatch = 64;
// Work to hold ahead of each slot: more than the way to the server and back, little enough that no worker sits on jobs
// which another could run.
constexpr uint64_t kWorkAheadUs = 100'000;
constexpr auto kDrainTime = absl::Seconds(10);
constexpr auto kPoll = absl::Milliseconds(100);
constexpr auto kFirstBackoff = absl::Milliseconds(100);
constexpr auto kLastBackoff = absl::Seconds(5);

std::string CpuModel() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    if (absl::StartsWith(line, "model name")) return line.substr(line.find(':') + 2);
  }
  return "";
}

v1::AttemptReport Failure(const v1::AttemptRef& ref, v1::FailureClass failure_class, std::string message) {
  v1::AttemptReport report;
  *report.mutable_ref() = ref;
  report.mutable_failure()->set_failure_class(failure_class);
  report.mutable_failure()->set_message(std::move(message));
  return report;
}

// Doubles from kFirstBackoff to kLastBackoff, each wait spread over half to one and a half of it, so that workers that
// lost their server together do not come back together.
class Backoff {
 public:
  absl::Duration Next() {
    const absl::Duration wait = next_ * std::uniform_real_distribution<double>(0.5, 1.5)(random_);
    next_ = std::min(next_ * 2, absl::Duration(kLastBackoff));
    return wait;
  }
  void Reset() { next_ = kFirstBackoff; }

 private:
  std::mt19937_64 random_{std::random_device()()};
  absl::Duration next_ = kFirstBackoff;
};

bool IsFinal(const absl::Status& status) {
  return absl::IsFailedPrecondition(status) || absl::IsInvalidArgument(status);
}

}  // namespace

// What reader and writer of one stream share.
struct Worker::StreamState {
  std::atomic<bool> broken = false;
  std::atomic<bool> draining = false;
  std::atomic<int64_t> granted = 0;  // credits the server has not used yet
  std::mutex mutex;
  std::vector<v1::AttemptRef> revoked ABSL_GUARDED_BY(mutex);  // to be answered
  v1::Welcome welcome;                                         // written before the reader starts
};

Worker::Worker(WorkerOptions options, std::shared_ptr<grpc::Channel> channel)
    : options_(std::move(options)),
      workers_(v1::Workers::NewStub(channel)),
      captures_stub_(v1::Captures::NewStub(channel)),
      captures_(options_.capture_folder, *captures_stub_) {}

Worker::~Worker() {
  book_.Stop();
  for (const auto& slot : slots_) {
    if (const pid_t pid = slot->pid(); pid != 0) kill(pid, SIGKILL);
  }
  for (std::thread& thread : slot_threads_) thread.join();
}

absl::Status Worker::ProveItself() {
  std::vector<v1::JobSpec> specs;
  for (const GoldenJob& golden : GoldenSet()) {
    v1::JobSpec spec;
    if (!google::protobuf::TextFormat::ParseFromString(golden.spec_text, &spec)) {
      return absl::InternalError(absl::StrCat("golden job ", golden.name, " does not parse"));
    }
    ASSIGN_OR_RETURN(specs.emplace_back(), Canonicalize(spec));
  }
  golden_.resize(specs.size());
  absl::Status status;
  SlotProcess slot(options_.slot_command);
  slot.Run(specs, [&](size_t i, v1::AttemptReport report) {
    golden_[i].set_spec_sha256(SpecSha256Hex(specs[i]));
    golden_[i].set_result_sha256(report.result_sha256());
    if (report.has_failure()) {
      status.Update(absl::FailedPreconditionError(
          absl::StrCat("golden job ", GoldenSet()[i].name, ": ", report.failure().message())));
    }
  });
  return status;
}

absl::Status Worker::Run(const StopFn& stop) {
  RETURN_IF_ERROR(ProveItself());
  for (uint32_t i = 0; i < options_.slots; ++i) {
    slots_.push_back(std::make_unique<SlotProcess>(options_.slot_command));
    slot_threads_.emplace_back([this, slot = slots_.back().get()] { RunSlot(*slot); });
  }
  Backoff backoff;
  while (true) {
    bool welcomed = false;
    const absl::Status status = RunStream(stop, welcomed);
    if (status.ok() || IsFinal(status)) return status;
    if (welcomed) backoff.Reset();
    const absl::Duration wait = backoff.Next();
    spdlog::warn("no stream to the server ({}); again in {} ms", std::string(status.message()),
                 absl::ToInt64Milliseconds(wait));
    if (stop(wait)) return absl::OkStatus();
  }
}

void Worker::RunSlot(SlotProcess& slot) {
  while (true) {
    // A share of what waits, so that no slot is idle while another has a queue.
    const size_t share = book_.Waiting() / options_.slots;
    std::vector<Attempt> batch = book_.Take(std::clamp<size_t>(share, 1, kMaxBatch));
    if (batch.empty()) return;
    RunBatch(slot, std::move(batch));
  }
}

absl::Status Worker::EnsureCaptures(const v1::JobSpec& spec) {
  for (const std::string& capture : CapturesOf(spec)) RETURN_IF_ERROR(captures_.Ensure(capture));
  return absl::OkStatus();
}

void Worker::RunBatch(SlotProcess& slot, std::vector<Attempt> batch) {
  std::vector<v1::JobSpec> specs;
  std::vector<v1::AttemptRef> refs;
  for (Attempt& attempt : batch) {
    if (const absl::Status ready = EnsureCaptures(attempt.spec); !ready.ok()) {
      book_.Finish(Failure(attempt.ref, v1::FAILURE_CLASS_INFRA, std::string(ready.message())));
      continue;
    }
    specs.push_back(std::move(attempt.spec));
    refs.push_back(attempt.ref);
  }
  slot.Run(specs, [&](size_t i, v1::AttemptReport report) {
    *report.mutable_ref() = refs[i];
    job_us_ = (7 * job_us_ + report.cost().wall_us()) / 8;
    book_.Finish(std::move(report));
  });
}

int64_t Worker::AttemptsPerSlot() const {
  const uint64_t ahead = kWorkAheadUs / std::max<uint64_t>(job_us_, 1);
  return 1 + static_cast<int64_t>(std::clamp<uint64_t>(ahead, 1, kMaxBatch));
}

v1::WorkRequest Worker::Hello() const {
  v1::WorkRequest request;
  v1::Hello& hello = *request.mutable_hello();
  hello.set_worker_id(options_.worker_id);
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  hello.set_host(host);
  hello.set_build(kProgramVersion);
  hello.set_model_version(kModelVersion);
  hello.set_slots(options_.slots);
  hello.set_cpu_model(CpuModel());
  hello.mutable_golden()->Assign(golden_.begin(), golden_.end());
  for (const v1::AttemptRef& ref : book_.Held()) *hello.add_running() = ref;
  return request;
}

absl::Status Worker::RunStream(const StopFn& stop, bool& welcomed) {
  grpc::ClientContext context;
  const auto stream = workers_->Work(&context);
  StreamState state;
  v1::WorkResponse first;
  if (!stream->Write(Hello()) || !stream->Read(&first)) return FromGrpcStatus(stream->Finish());
  if (!first.has_welcome()) {
    context.TryCancel();
    stream->Finish();
    return absl::InvalidArgumentError("the server's first message is no Welcome");
  }
  welcomed = true;
  state.welcome = first.welcome();
  book_.KeepOnly({state.welcome.adopted().begin(), state.welcome.adopted().end()});
  spdlog::info("connected to epoch {}; {} attempts go on", state.welcome.epoch(), state.welcome.adopted_size());

  std::thread reader([&] { ReadAll(*stream, state); });
  Write(*stream, state, stop);
  const bool stopped = !state.broken;
  if (stopped) {
    stream->WritesDone();
    context.TryCancel();
  }
  reader.join();
  const absl::Status status = FromGrpcStatus(stream->Finish());
  if (stopped) return absl::OkStatus();
  return status.ok() ? absl::UnavailableError("the server ended the stream") : status;
}

void Worker::ReadAll(Stream& stream, StreamState& state) {
  v1::WorkResponse message;
  while (stream.Read(&message)) {
    switch (message.message_case()) {
      case v1::WorkResponse::kAssign:
        state.granted -= message.assign().assignments_size();
        Take(message.assign());
        break;
      case v1::WorkResponse::kAcknowledge:
        for (const v1::AttemptRef& ref : message.acknowledge().refs()) book_.Forget(ref);
        break;
      case v1::WorkResponse::kRevoke: {
        const std::lock_guard lock(state.mutex);
        for (const v1::AttemptRef& ref : message.revoke().refs()) {
          book_.Forget(ref);
          state.revoked.push_back(ref);
        }
        break;
      }
      case v1::WorkResponse::kDrain:
        state.draining = true;
        break;
      case v1::WorkResponse::kWelcome:
      case v1::WorkResponse::MESSAGE_NOT_SET:
        break;  // a newer server's message: nothing for this worker
    }
  }
  state.broken = true;
}

void Worker::Take(const v1::Assign& assign) {
  std::map<uint32_t, const v1::JobSpec*> templates;
  for (const v1::SpecTemplate& spec_template : assign.templates())
    templates[spec_template.id()] = &spec_template.spec();
  for (const v1::Assignment& assignment : assign.assignments()) {
    Attempt attempt;
    attempt.ref = assignment.ref();
    const auto found = templates.find(assignment.template_id());
    if (found != templates.end()) attempt.spec = *found->second;
    attempt.spec.set_seed(assignment.seed());
    const absl::StatusOr<v1::JobSpec> canonical = Canonicalize(attempt.spec);
    // A spec that this build reads otherwise than the server must not run: its result would be filed under another
    // spec.
    if (!canonical.ok() || SpecSha256Hex(*canonical) != assignment.spec_sha256()) {
      const std::string cause =
          canonical.ok() ? "its digest is another one here" : std::string(canonical.status().message());
      book_.Reject(
          Failure(attempt.ref, v1::FAILURE_CLASS_INFRA, absl::StrCat("the worker cannot use the spec: ", cause)));
      continue;
    }
    attempt.spec = *canonical;
    book_.Add(std::move(attempt));
  }
}

void Worker::Write(Stream& stream, StreamState& state, const StopFn& stop) {
  const absl::Duration heartbeat = absl::Milliseconds(state.welcome.heartbeat_ms());
  absl::Time next_heartbeat = absl::Now();
  absl::Time give_up = absl::InfiniteFuture();
  while (!state.broken) {
    const absl::Time now = absl::Now();
    if (give_up == absl::InfiniteFuture() && stop(absl::ZeroDuration())) {
      give_up = now + kDrainTime;
      v1::WorkRequest request;
      for (v1::AttemptRef& ref : book_.GiveBackWaiting()) *request.mutable_revoked()->add_refs() = std::move(ref);
      if (request.has_revoked() && !stream.Write(request)) return;
    }
    const bool stopping = give_up != absl::InfiniteFuture();
    if (stopping && (now > give_up || book_.Held().empty())) return;

    v1::WorkRequest report;
    for (v1::AttemptReport& one : book_.ReportsToSend(now, 3 * heartbeat, kMaxReportBytes)) {
      *report.mutable_report()->add_reports() = std::move(one);
    }
    if (report.has_report() && !stream.Write(report)) break;

    const int64_t capacity = static_cast<int64_t>(options_.slots) * AttemptsPerSlot();
    const int64_t credits = capacity - static_cast<int64_t>(book_.Unfinished()) - state.granted;
    if (credits > 0 && !stopping && !state.draining) {
      v1::WorkRequest request;
      request.mutable_credits()->set_count(static_cast<uint32_t>(std::min<int64_t>(credits, 4096)));
      state.granted += request.credits().count();
      if (!stream.Write(request)) break;
    }
    if (now >= next_heartbeat) {
      v1::WorkRequest request;
      for (v1::AttemptRef& ref : book_.Held()) *request.mutable_heartbeat()->add_running() = std::move(ref);
      request.mutable_heartbeat();
      if (!stream.Write(request)) break;
      next_heartbeat = now + heartbeat;
    }
    v1::WorkRequest revoked;
    {
      const std::lock_guard lock(state.mutex);
      for (v1::AttemptRef& ref : state.revoked) *revoked.mutable_revoked()->add_refs() = std::move(ref);
      state.revoked.clear();
    }
    if (revoked.has_revoked() && !stream.Write(revoked)) break;
    book_.AwaitReport(std::min(next_heartbeat, now + kPoll));
  }
  // A failed write means a broken stream; the reader notices it too, and sets the flag.
  while (!state.broken && give_up == absl::InfiniteFuture()) stop(kPoll);
}

}  // namespace dmfrag::worker
