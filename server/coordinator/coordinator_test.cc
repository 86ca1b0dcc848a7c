#include "server/coordinator/coordinator.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "proto/support/canonical.h"
#include "proto/support/golden_set.h"
#include "proto/support/model_version.h"
#include "storage/testing/fake_store.h"
#include "third_party/abseil_extras/status_matchers.h"

namespace dmfrag::server {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr auto kPatience = std::chrono::seconds(20);  // only a failing test waits this long

// Keeps what the coordinator sends, and waits for it.
class FakeStream : public WorkerStream {
 public:
  void Send(v1::WorkResponse message) override {
    const std::lock_guard lock(mutex_);
    for (const v1::Assignment& assignment : message.assign().assignments()) assignments_.push_back(assignment);
    for (const v1::AttemptRef& ref : message.acknowledge().refs()) acknowledged_.push_back(ref.job_id());
    for (const v1::AttemptRef& ref : message.revoke().refs()) revoked_.push_back(ref.job_id());
    if (message.has_welcome()) welcome_ = message.welcome();
    changed_.notify_all();
  }
  void Close(const absl::Status& status) override {
    const std::lock_guard lock(mutex_);
    closed_ = status;
  }

  std::vector<v1::Assignment> AwaitAssignments(size_t count) { return Await(assignments_, count); }
  std::vector<int64_t> AwaitAcknowledged(size_t count) { return Await(acknowledged_, count); }
  std::vector<int64_t> AwaitRevoked(size_t count) { return Await(revoked_, count); }
  size_t acknowledged() {
    const std::lock_guard lock(mutex_);
    return acknowledged_.size();
  }
  v1::Welcome welcome() {
    const std::lock_guard lock(mutex_);
    return welcome_;
  }

 private:
  template <typename T>
  std::vector<T> Await(const std::vector<T>& list, size_t count) {
    std::unique_lock lock(mutex_);
    const auto enough = [&] { return list.size() >= count; };
    EXPECT_TRUE(changed_.wait_for(lock, kPatience, enough)) << list.size() << " of " << count;
    return list;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<v1::Assignment> assignments_;
  std::vector<int64_t> acknowledged_;
  std::vector<int64_t> revoked_;
  v1::Welcome welcome_;
  absl::Status closed_;
};

v1::CreateExperimentRequest Request(const std::string& request_id, int replicates, int64_t seed = 1) {
  v1::CreateExperimentRequest request;
  request.set_request_id(request_id);
  v1::Experiment& experiment = *request.mutable_experiment();
  experiment.set_display_name("t");
  experiment.set_replicates(static_cast<uint32_t>(replicates));
  experiment.mutable_base()->mutable_cache()->mutable_none();
  experiment.mutable_base()->mutable_workload()->mutable_noop();
  experiment.mutable_base()->set_seed(static_cast<uint64_t>(seed));
  return request;
}

v1::Hello Hello(const std::string& worker) {
  v1::Hello hello;
  hello.set_worker_id(worker);
  hello.set_slots(1);
  hello.set_model_version(kModelVersion);
  for (const GoldenJob& golden : GoldenSet()) {
    v1::GoldenResult& result = *hello.add_golden();
    result.set_spec_sha256(golden.spec_sha256);
    result.set_result_sha256(golden.result_sha256);
  }
  return hello;
}

v1::WorkRequest Credits(uint32_t count) {
  v1::WorkRequest message;
  message.mutable_credits()->set_count(count);
  return message;
}

v1::WorkRequest Result(const v1::AttemptRef& ref) {
  v1::WorkRequest message;
  v1::AttemptReport& report = *message.mutable_report()->add_reports();
  *report.mutable_ref() = ref;
  report.mutable_result()->set_outcome(v1::OUTCOME_COMPLETED);
  report.set_result_sha256(ResultSha256Hex(report.result()));
  return message;
}

v1::WorkRequest Failure(const v1::AttemptRef& ref, v1::FailureClass failure_class) {
  v1::WorkRequest message;
  v1::AttemptReport& report = *message.mutable_report()->add_reports();
  *report.mutable_ref() = ref;
  report.mutable_failure()->set_failure_class(failure_class);
  report.mutable_failure()->set_message("it broke");
  report.set_stderr_tail("last words");
  return message;
}

class CoordinatorTest : public testing::Test {
 protected:
  CoordinatorTest() { Restart(); }

  // As after kill -9: what was not committed is gone.
  void Restart() {
    coordinator_.reset();
    auto created =
        Coordinator::Create(store_, CoordinatorOptions{}, [this] { return absl::FromUnixSeconds(now_s_.load()); });
    ASSERT_OK(created);
    coordinator_ = *std::move(created);
  }

  uint64_t Connect(const std::string& worker, std::shared_ptr<FakeStream> stream,
                   const std::vector<v1::AttemptRef>& held = {}) {
    v1::Hello hello = Hello(worker);
    for (const v1::AttemptRef& ref : held) *hello.add_running() = ref;
    const auto id = coordinator_->Connect(hello, std::move(stream));
    EXPECT_OK(id);
    return id.value_or(0);
  }

  v1::Experiment AwaitState(int64_t id, v1::ExperimentState state) {
    const absl::Time deadline = absl::Now() + absl::FromChrono(kPatience);
    while (absl::Now() < deadline) {
      coordinator_->Tick();
      const auto experiment = coordinator_->GetExperiment(id, /*brief=*/true);
      if (experiment.ok() && experiment->state() == state) return *experiment;
      EXPECT_OK(store_.CommitAndWait([](storage::Writer&) { return absl::OkStatus(); }));
    }
    ADD_FAILURE() << "experiment " << id << " does not reach " << v1::ExperimentState_Name(state);
    return {};
  }

  std::atomic<int64_t> now_s_ = 1000;
  storage::FakeStore store_;
  std::unique_ptr<Coordinator> coordinator_;
};

TEST_F(CoordinatorTest, JobsRunAndTheExperimentEnds) {
  const auto experiment = coordinator_->CreateExperiment(Request("r1", 3));
  ASSERT_OK(experiment);
  EXPECT_EQ(experiment->name(), "experiments/1");
  EXPECT_EQ(experiment->points(), 1);
  EXPECT_EQ(experiment->counts().total(), 3);
  const auto stream = std::make_shared<FakeStream>();
  const uint64_t id = Connect("w", stream);
  ASSERT_OK(coordinator_->OnMessage(id, Credits(5)));
  for (const v1::Assignment& assignment : stream->AwaitAssignments(3)) {
    ASSERT_OK(coordinator_->OnMessage(id, Result(assignment.ref())));
  }
  stream->AwaitAcknowledged(3);
  const v1::Experiment done = AwaitState(1, v1::EXPERIMENT_STATE_DONE);
  EXPECT_EQ(done.counts().succeeded(), 3);
  EXPECT_EQ(done.counts().cached(), 0);
  EXPECT_TRUE(done.has_end_time());
}

TEST_F(CoordinatorTest, ResultIsAcknowledgedOnlyAfterItsCommit) {
  ASSERT_OK(coordinator_->CreateExperiment(Request("r1", 1)));
  const auto stream = std::make_shared<FakeStream>();
  const uint64_t id = Connect("w", stream);
  ASSERT_OK(coordinator_->OnMessage(id, Credits(1)));
  const v1::AttemptRef ref = stream->AwaitAssignments(1)[0].ref();
  store_.Hold();
  ASSERT_OK(coordinator_->OnMessage(id, Result(ref)));
  ASSERT_OK(coordinator_->OnMessage(id, Result(ref))) << "the same again, while it is being written";
  EXPECT_EQ(stream->acknowledged(), 0u);
  EXPECT_EQ(coordinator_->GetExperiment(1, true)->counts().succeeded(), 0);
  store_.Release();
  stream->AwaitAcknowledged(1);
  ASSERT_OK(coordinator_->OnMessage(id, Result(ref))) << "the same again, after that";
  EXPECT_THAT(stream->AwaitAcknowledged(2), SizeIs(2));
  EXPECT_EQ(store_.reader().GetResult(ref.job_id())->duplicates(), 0);
}

TEST_F(CoordinatorTest, ResultThatCannotBeWrittenIsNotAcknowledgedAndComesAgain) {
  ASSERT_OK(coordinator_->CreateExperiment(Request("r1", 1)));
  const auto stream = std::make_shared<FakeStream>();
  const uint64_t id = Connect("w", stream);
  ASSERT_OK(coordinator_->OnMessage(id, Credits(1)));
  const v1::AttemptRef ref = stream->AwaitAssignments(1)[0].ref();
  ASSERT_OK(store_.CommitAndWait([](storage::Writer&) { return absl::OkStatus(); }));
  store_.FailCommits(absl::ResourceExhaustedError("disk full"));
  ASSERT_OK(coordinator_->OnMessage(id, Result(ref)));
  EXPECT_FALSE(store_.CommitAndWait([](storage::Writer&) { return absl::OkStatus(); }).ok());
  EXPECT_EQ(stream->acknowledged(), 0u);
  store_.FailCommits(absl::OkStatus());
  ASSERT_OK(coordinator_->OnMessage(id, Result(ref)));
  stream->AwaitAcknowledged(1);
  AwaitState(1, v1::EXPERIMENT_STATE_DONE);
}

TEST_F(CoordinatorTest, SubmitThatCannotBeWrittenIsRefusedAndLeavesNothing) {
  store_.FailCommits(absl::ResourceExhaustedError("disk full"));
  EXPECT_THAT(coordinator_->CreateExperiment(Request("r1", 1)),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("disk full")));
  store_.FailCommits(absl::OkStatus());
  EXPECT_THAT(*coordinator_->ListExperiments(0, 10), IsEmpty());
  ASSERT_OK(coordinator_->CreateExperiment(Request("r1", 1)));
}

TEST_F(CoordinatorTest, SameRequestIdMakesOneExperiment) {
  ASSERT_OK(coordinator_->CreateExperiment(Request("r1", 2)));
  const auto again = coordinator_->CreateExperiment(Request("r1", 2));
  ASSERT_OK(again);
  EXPECT_EQ(again->name(), "experiments/1");
  EXPECT_THAT(coordinator_->CreateExperiment(Request("r1", 3)),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("request_id")));
  EXPECT_THAT(coordinator_->CreateExperiment(Request("", 3)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("request_id")));
  EXPECT_THAT(*coordinator_->ListExperiments(0, 10), SizeIs(1));
}

TEST_F(CoordinatorTest, ValidateOnlyStoresNothing) {
  v1::CreateExperimentRequest request = Request("", 7);
  request.set_validate_only(true);
  const auto answer = coordinator_->CreateExperiment(request);
  ASSERT_OK(answer);
  EXPECT_EQ(answer->counts().total(), 7);
  EXPECT_THAT(*coordinator_->ListExperiments(0, 10), IsEmpty());
}

TEST_F(CoordinatorTest, ReplayOfACaptureThatIsNotThereIsRefused) {
  v1::CreateExperimentRequest request = Request("r1", 1);
  const std::string sha256(64, 'a');
  request.mutable_experiment()->mutable_base()->mutable_workload()->mutable_replay()->set_capture_sha256(sha256);
  EXPECT_THAT(coordinator_->CreateExperiment(request),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("upload it first")));
  v1::Capture capture;
  capture.set_name("captures/" + sha256);
  capture.set_size_bytes(1);
  ASSERT_OK(store_.CommitAndWait([&](storage::Writer& writer) { return writer.InsertCapture(capture); }));
  EXPECT_OK(coordinator_->CreateExperiment(request));
}

TEST_F(CoordinatorTest, FinishedJobIsAnsweredFromTheStoreUnlessTheCacheIsOff) {
  ASSERT_OK(coordinator_->CreateExperiment(Request("r1", 1)));
  const auto stream = std::make_shared<FakeStream>();
  const uint64_t id = Connect("w", stream);
  ASSERT_OK(coordinator_->OnMessage(id, Credits(5)));
  ASSERT_OK(coordinator_->OnMessage(id, Result(stream->AwaitAssignments(1)[0].ref())));
  AwaitState(1, v1::EXPERIMENT_STATE_DONE);
  ASSERT_OK(coordinator_->CreateExperiment(Request("r2", 1)));
  const v1::Experiment cached = AwaitState(2, v1::EXPERIMENT_STATE_DONE);
  EXPECT_EQ(cached.counts().cached(), 1);
  EXPECT_EQ(cached.counts().succeeded(), 1);
  v1::CreateExperimentRequest fresh = Request("r3", 1);
  fresh.set_no_cache(true);
  ASSERT_OK(coordinator_->CreateExperiment(fresh));
  stream->AwaitAssignments(2);
}

TEST_F(CoordinatorTest, RunningJobIsShared) {
  ASSERT_OK(coordinator_->CreateExperiment(Request("r1", 1)));
  const auto stream = std::make_shared<FakeStream>();
  const uint64_t id = Connect("w", stream);
  ASSERT_OK(coordinator_->OnMessage(id, Credits(5)));
  const v1::AttemptRef ref = stream->AwaitAssignments(1)[0].ref();
  ASSERT_OK(coordinator_->CreateExperiment(Request("r2", 2)));  // its replicate 0 is the same job
  EXPECT_THAT(stream->AwaitAssignments(2), SizeIs(2));
  ASSERT_OK(coordinator_->OnMessage(id, Result(ref)));
  AwaitState(1, v1::EXPERIMENT_STATE_DONE);
  EXPECT_EQ(coordinator_->GetExperiment(2, true)->counts().succeeded(), 1);
}

TEST_F(CoordinatorTest, RestartAdoptsRunningAttemptsAndFencesTheRest) {
  ASSERT_OK(coordinator_->CreateExperiment(Request("r1", 3)));
  const auto stream = std::make_shared<FakeStream>();
  const uint64_t id = Connect("w", stream);
  ASSERT_OK(coordinator_->OnMessage(id, Credits(2)));
  const std::vector<v1::Assignment> assignments = stream->AwaitAssignments(2);
  const uint64_t first_epoch = coordinator_->epoch();
  Restart();
  EXPECT_GT(coordinator_->epoch(), first_epoch);
  v1::AttemptRef stale = assignments[1].ref();
  stale.set_fence(stale.fence() - 1);
  const auto again = std::make_shared<FakeStream>();
  const uint64_t again_id = Connect("w", again, {assignments[0].ref(), stale});
  ASSERT_EQ(again->welcome().adopted_size(), 1);
  EXPECT_EQ(again->welcome().adopted(0).fence(), assignments[0].ref().fence());
  ASSERT_OK(coordinator_->OnMessage(again_id, Result(assignments[0].ref())));
  again->AwaitAcknowledged(1);
  ASSERT_OK(coordinator_->OnMessage(again_id, Result(stale)));
  again->AwaitAcknowledged(2);
  EXPECT_EQ(store_.reader().GetResult(stale.job_id())->duplicates(), 1);
  EXPECT_EQ(store_.reader().GetResult(stale.job_id())->state(), v1::JOB_STATE_QUEUED);
}

TEST_F(CoordinatorTest, RestartGoesOnMakingJobs) {
  ASSERT_OK(coordinator_->CreateExperiment(Request("r1", 5000)));
  Restart();  // within the first chunks, or after them: either way 5,000 jobs come to be
  const auto stream = std::make_shared<FakeStream>();
  const uint64_t id = Connect("w", stream);
  ASSERT_OK(coordinator_->OnMessage(id, Credits(4096)));
  ASSERT_OK(coordinator_->OnMessage(id, Credits(4096)));
  std::set<int64_t> jobs;
  for (const v1::Assignment& assignment : stream->AwaitAssignments(5000)) jobs.insert(assignment.ref().job_id());
  EXPECT_THAT(jobs, SizeIs(5000));
}

TEST_F(CoordinatorTest, SilentWorkersJobGoesToAnother) {
  ASSERT_OK(coordinator_->CreateExperiment(Request("r1", 1)));
  const auto zombie = std::make_shared<FakeStream>();
  const uint64_t zombie_id = Connect("zombie", zombie);
  ASSERT_OK(coordinator_->OnMessage(zombie_id, Credits(1)));
  const v1::AttemptRef old = zombie->AwaitAssignments(1)[0].ref();
  now_s_ += 60;
  coordinator_->Tick();
  const auto other = std::make_shared<FakeStream>();
  const uint64_t other_id = Connect("other", other);
  ASSERT_OK(coordinator_->OnMessage(other_id, Credits(1)));
  const v1::AttemptRef fresh = other->AwaitAssignments(1)[0].ref();
  EXPECT_EQ(fresh.job_id(), old.job_id());
  EXPECT_EQ(fresh.attempt(), 2u);
  ASSERT_OK(coordinator_->OnMessage(zombie_id, Result(old)));
  zombie->AwaitAcknowledged(1);
  EXPECT_EQ(coordinator_->GetExperiment(1, true)->counts().succeeded(), 0);
  ASSERT_OK(coordinator_->OnMessage(other_id, Result(fresh)));
  AwaitState(1, v1::EXPERIMENT_STATE_DONE);
  EXPECT_EQ(store_.reader().GetResult(old.job_id())->duplicates(), 1);
  const auto attempts = store_.reader().ListAttempts(old.job_id());
  ASSERT_OK(attempts);
  ASSERT_THAT(*attempts, SizeIs(2));
  EXPECT_EQ((*attempts)[0].failure_class(), v1::FAILURE_CLASS_LOST);
}

TEST_F(CoordinatorTest, UserFailureSetsTheJobAsideWithItsReasonAndLog) {
  ASSERT_OK(coordinator_->CreateExperiment(Request("r1", 1)));
  const auto stream = std::make_shared<FakeStream>();
  const uint64_t id = Connect("w", stream);
  ASSERT_OK(coordinator_->OnMessage(id, Credits(1)));
  const v1::AttemptRef ref = stream->AwaitAssignments(1)[0].ref();
  ASSERT_OK(coordinator_->OnMessage(id, Failure(ref, v1::FAILURE_CLASS_USER)));
  stream->AwaitAcknowledged(1);
  EXPECT_EQ(AwaitState(1, v1::EXPERIMENT_STATE_DONE).counts().failed(), 1);
  const auto result = store_.reader().GetResult(ref.job_id());
  EXPECT_EQ(result->state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(result->failure(), "it broke");
  EXPECT_EQ((*store_.reader().ListAttempts(ref.job_id()))[0].stderr_tail(), "last words");
}

TEST_F(CoordinatorTest, ResultWithAWrongDigestIsAFailure) {
  ASSERT_OK(coordinator_->CreateExperiment(Request("r1", 1)));
  const auto stream = std::make_shared<FakeStream>();
  const uint64_t id = Connect("w", stream);
  ASSERT_OK(coordinator_->OnMessage(id, Credits(1)));
  v1::WorkRequest wrong = Result(stream->AwaitAssignments(1)[0].ref());
  wrong.mutable_report()->mutable_reports(0)->mutable_result()->mutable_metrics()->set_splits_2m(1);
  ASSERT_OK(coordinator_->OnMessage(id, wrong));
  stream->AwaitAcknowledged(1);
  EXPECT_EQ(coordinator_->GetExperiment(1, true)->counts().succeeded(), 0);
  ASSERT_OK(coordinator_->OnMessage(id, Credits(1)));
  EXPECT_EQ(stream->AwaitAssignments(2)[1].ref().attempt(), 2u) << "it is tried again";
}

TEST_F(CoordinatorTest, CancelIsDurableAndRevokes) {
  ASSERT_OK(coordinator_->CreateExperiment(Request("r1", 3)));
  const auto stream = std::make_shared<FakeStream>();
  const uint64_t id = Connect("w", stream);
  ASSERT_OK(coordinator_->OnMessage(id, Credits(2)));
  const std::vector<v1::Assignment> assignments = stream->AwaitAssignments(2);
  ASSERT_OK(coordinator_->OnMessage(id, Result(assignments[0].ref())));
  stream->AwaitAcknowledged(1);
  const auto cancelled = coordinator_->CancelExperiment(1, "c1");
  ASSERT_OK(cancelled);
  EXPECT_EQ(cancelled->state(), v1::EXPERIMENT_STATE_CANCELLED);
  EXPECT_EQ(cancelled->counts().succeeded(), 1);
  EXPECT_EQ(cancelled->counts().cancelled(), 2);
  EXPECT_EQ(stream->AwaitRevoked(1)[0], assignments[1].ref().job_id());
  EXPECT_OK(coordinator_->CancelExperiment(1, "c1"));
  EXPECT_OK(coordinator_->CancelExperiment(1, "c2")) << "cancelling again changes nothing";
  EXPECT_THAT(coordinator_->CancelExperiment(9, "c3"), StatusIs(absl::StatusCode::kNotFound, testing::_));
  Restart();
  EXPECT_EQ(coordinator_->GetExperiment(1, true)->state(), v1::EXPERIMENT_STATE_CANCELLED);
  const auto after = std::make_shared<FakeStream>();
  const uint64_t after_id = Connect("w", after);
  ASSERT_OK(coordinator_->OnMessage(after_id, Credits(5)));
  ASSERT_OK(coordinator_->CreateExperiment(Request("r2", 3)));  // the same jobs, wanted again
  EXPECT_THAT(after->AwaitAssignments(2), SizeIs(2));
}

TEST_F(CoordinatorTest, CancelThatCannotBeWrittenIsWrittenWhenItIsAskedAgain) {
  ASSERT_OK(coordinator_->CreateExperiment(Request("r1", 1)));
  store_.FailCommits(absl::ResourceExhaustedError("disk full"));
  EXPECT_FALSE(coordinator_->CancelExperiment(1, "c1").ok());
  store_.FailCommits(absl::OkStatus());
  ASSERT_OK(coordinator_->CancelExperiment(1, "c1"));
  Restart();
  EXPECT_EQ(coordinator_->GetExperiment(1, true)->state(), v1::EXPERIMENT_STATE_CANCELLED);
}

TEST_F(CoordinatorTest, WorkerOfAnotherModelIsRefused) {
  v1::Hello hello = Hello("w");
  hello.set_model_version(kModelVersion + 1);
  EXPECT_THAT(coordinator_->Connect(hello, std::make_shared<FakeStream>()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("model version")));
  hello = Hello("");
  EXPECT_THAT(coordinator_->Connect(hello, std::make_shared<FakeStream>()),
              StatusIs(absl::StatusCode::kInvalidArgument, testing::_));
}

TEST_F(CoordinatorTest, WorkerThatFailsTheGoldenSetIsRefused) {
  v1::Hello hello = Hello("w");
  ASSERT_GT(hello.golden_size(), 0);
  hello.mutable_golden(0)->set_result_sha256(std::string(64, '0'));
  EXPECT_THAT(coordinator_->Connect(hello, std::make_shared<FakeStream>()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("came out as")));
  hello.clear_golden();
  EXPECT_THAT(coordinator_->Connect(hello, std::make_shared<FakeStream>()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("did not run")));
}

TEST_F(CoordinatorTest, ProtocolErrorsAreNamed) {
  const uint64_t id = Connect("w", std::make_shared<FakeStream>());
  EXPECT_THAT(coordinator_->OnMessage(id, v1::WorkRequest()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("message")));
  EXPECT_THAT(coordinator_->OnMessage(id, Credits(0)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("credits")));
  EXPECT_FALSE(coordinator_->OnMessage(id + 1, Credits(1)).ok());
}

}  // namespace
}  // namespace dmfrag::server
