// Experiments, requests, jobs, links, attempts, captures, and what recovery asks for.
#include <limits>
#include <vector>

#include "storage/testing/store_contract.h"
#include "storage/testing/test_rows.h"

namespace dmfrag::storage {
namespace {

using testing::_;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr uint64_t kLargest = std::numeric_limits<uint64_t>::max();

TEST_P(StoreContract, AnEmptyStoreHasNothing) {
  const absl::StatusOr<Reader::LastIds> last = reader().GetLastIds();
  ASSERT_OK(last);
  EXPECT_EQ(last->experiment, 0);
  EXPECT_EQ(last->job, 0);
  EXPECT_EQ(last->spec_template, 0);
  EXPECT_EQ(last->fence, 0u);
  EXPECT_EQ(last->epoch, 0u);
  EXPECT_THAT(reader().GetExperiment(1), StatusIs(absl::StatusCode::kNotFound, HasSubstr("1")));
  EXPECT_THAT(reader().GetRequest("r"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("r")));
  EXPECT_THAT(reader().GetTemplate(1), StatusIs(absl::StatusCode::kNotFound, _));
  EXPECT_THAT(reader().GetResult(1), StatusIs(absl::StatusCode::kNotFound, _));
  EXPECT_THAT(reader().ListAttempts(1), StatusIs(absl::StatusCode::kNotFound, _));
  EXPECT_THAT(reader().VisitLinks(1, [](const LinkRow&, const JobRow&) {}), StatusIs(absl::StatusCode::kNotFound, _));
  EXPECT_THAT(*reader().ListExperiments(0, 10), IsEmpty());
  EXPECT_THAT(*reader().ActiveExperiments(), IsEmpty());
  EXPECT_THAT(*reader().OpenAttempts(), IsEmpty());
}

TEST_P(StoreContract, AnExperimentIsReadAsItWasWritten) {
  ExperimentRow row = TestExperiment(5, 3, 2);
  row.salt = "no-cache";
  MustCommit([&](Writer& writer) { return writer.InsertExperiment(row, TestRequestId(1), TestDigest("request")); });
  const absl::StatusOr<ExperimentRow> read = reader().GetExperiment(5);
  ASSERT_OK(read);
  EXPECT_EQ(read->id, 5);
  EXPECT_THAT(read->experiment, EqualsMessage(row.experiment));
  EXPECT_EQ(read->state, v1::EXPERIMENT_STATE_ACTIVE);
  EXPECT_EQ(read->points, 3);
  EXPECT_EQ(read->jobs_total, 6);
  EXPECT_EQ(read->jobs_made, 0);
  EXPECT_EQ(read->salt, "no-cache");
  EXPECT_EQ(read->create_time, row.create_time);
  EXPECT_EQ(read->end_time, std::nullopt);
  const absl::StatusOr<RequestRow> request = reader().GetRequest(TestRequestId(1));
  ASSERT_OK(request);
  EXPECT_EQ(request->method, "CreateExperiment");
  EXPECT_EQ(request->request_digest, TestDigest("request"));
  EXPECT_EQ(request->experiment_id, 5);
}

TEST_P(StoreContract, AnExperimentOrARequestIsMadeOnce) {
  const auto insert = [&](int64_t id, int64_t request) {
    return store_->CommitAndWait([=](Writer& writer) {
      return writer.InsertExperiment(TestExperiment(id, 1, 1), TestRequestId(request), TestDigest("r"));
    });
  };
  EXPECT_OK(insert(1, 1));
  EXPECT_THAT(insert(1, 2), StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("experiment 1")));
  EXPECT_THAT(insert(2, 1), StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(TestRequestId(1))));
  EXPECT_THAT(reader().GetExperiment(2), StatusIs(absl::StatusCode::kNotFound, _));
}

TEST_P(StoreContract, AWorkThatGoesOnAfterAnExperimentWasRefusedKeepsNothingOfIt) {
  MustCommit(MakeExperiment(1, 1, 1, 1));
  MustCommit([](Writer& writer) -> absl::Status {
    EXPECT_THAT(writer.InsertExperiment(TestExperiment(2, 1, 1), TestRequestId(1), TestDigest("r")),
                StatusIs(absl::StatusCode::kAlreadyExists, _));
    return writer.InsertTemplate(9, TestTemplate(9));
  });
  EXPECT_THAT(reader().GetExperiment(2), StatusIs(absl::StatusCode::kNotFound, _));
  EXPECT_OK(reader().GetTemplate(9));
}

TEST_P(StoreContract, ARequestNeedsADigestAndAnExperimentThatExists) {
  const auto insert = [&](const Digest& digest, int64_t experiment) {
    return store_->CommitAndWait([=](Writer& writer) {
      return writer.InsertRequest(TestRequestId(1), RequestRow{"CancelExperiment", digest, experiment});
    });
  };
  EXPECT_THAT(insert("short", 0), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("32 bytes")));
  EXPECT_THAT(insert(TestDigest("r"), 4), StatusIs(absl::StatusCode::kNotFound, HasSubstr("experiment 4")));
  EXPECT_OK(insert(TestDigest("r"), 0));
  EXPECT_EQ(reader().GetRequest(TestRequestId(1))->experiment_id, 0);
}

TEST_P(StoreContract, ExperimentsAreListedNewestFirst) {
  for (int64_t id : {1, 2, 3, 4}) MustCommit(MakeExperiment(id, 1, 1, id * 10));
  const auto ids = [](const std::vector<ExperimentRow>& rows) {
    std::vector<int64_t> list;
    for (const ExperimentRow& row : rows) list.push_back(row.id);
    return list;
  };
  EXPECT_THAT(ids(*reader().ListExperiments(0, 3)), ElementsAre(4, 3, 2));
  EXPECT_THAT(ids(*reader().ListExperiments(2, 3)), ElementsAre(1));
  MustCommit(
      [](Writer& writer) { return writer.EndExperiment(2, v1::EXPERIMENT_STATE_DONE, TestTime(50), v1::JobCounts()); });
  EXPECT_THAT(ids(*reader().ActiveExperiments()), ElementsAre(1, 3, 4));
}

TEST_P(StoreContract, AnEndedExperimentKeepsItsFinalCounts) {
  MustCommit(MakeExperiment(1, 1, 1, 1));
  v1::JobCounts counts;
  counts.set_total(1);
  counts.set_succeeded(1);
  MustCommit([&](Writer& writer) { return writer.EndExperiment(1, v1::EXPERIMENT_STATE_DONE, TestTime(50), counts); });
  const absl::StatusOr<ExperimentRow> row = reader().GetExperiment(1);
  ASSERT_OK(row);
  EXPECT_EQ(row->state, v1::EXPERIMENT_STATE_DONE);
  EXPECT_EQ(row->end_time, TestTime(50));
  EXPECT_THAT(row->final_counts, EqualsMessage(counts));
  EXPECT_THAT(store_->CommitAndWait([](Writer& writer) {
    return writer.EndExperiment(9, v1::EXPERIMENT_STATE_DONE, TestTime(50), v1::JobCounts());
  }),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("9")));
}

TEST_P(StoreContract, JobsAreFoundByTheirContent) {
  MustCommit(MakeExperiment(1, 3, 1, 11));
  const JobRow job = TestJob(12, 1);
  const auto found = reader().FindJobs({TestDigest("unknown"), job.spec_digest}, job.model_version, "");
  ASSERT_OK(found);
  ASSERT_THAT(*found, SizeIs(2));
  EXPECT_FALSE((*found)[0].has_value());
  ASSERT_TRUE((*found)[1].has_value());
  const JobRow& read = *(*found)[1];
  EXPECT_EQ(read.id, 12);
  EXPECT_EQ(read.spec_digest, job.spec_digest);
  EXPECT_EQ(read.model_version, job.model_version);
  EXPECT_EQ(read.salt, "");
  EXPECT_EQ(read.template_id, 1);
  EXPECT_EQ(read.seed, job.seed);
  EXPECT_EQ(read.state, v1::JOB_STATE_QUEUED);
  EXPECT_EQ(read.attempts, 0u);
  EXPECT_FALSE((*reader().FindJobs({job.spec_digest}, job.model_version + 1, ""))[0].has_value());
  EXPECT_FALSE((*reader().FindJobs({job.spec_digest}, job.model_version, "salt"))[0].has_value());
}

TEST_P(StoreContract, TheSameContentIsOneJobUnlessItIsSalted) {
  MustCommit(MakeExperiment(1, 1, 1, 1));
  JobRow again = TestJob(1, 1);
  again.id = 2;
  const auto insert = [&](const JobRow& job) {
    return store_->CommitAndWait([=](Writer& writer) { return writer.InsertJobs(1, {job}, {}, 1); });
  };
  EXPECT_THAT(insert(again), StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("job 2")));
  again.salt = "no-cache";
  EXPECT_OK(insert(again));
  EXPECT_EQ((*reader().FindJobs({again.spec_digest}, again.model_version, "no-cache"))[0]->id, 2);
}

TEST_P(StoreContract, ARefusedChunkOfJobsIsRefusedWhole) {
  MustCommit(MakeExperiment(1, 1, 1, 1));
  MustCommit([](Writer& writer) -> absl::Status {
    EXPECT_THAT(writer.InsertJobs(1, {TestJob(5, 1), TestJob(1, 1)}, {}, 9),
                StatusIs(absl::StatusCode::kAlreadyExists, _));
    return absl::OkStatus();
  });
  EXPECT_THAT(reader().GetResult(5), StatusIs(absl::StatusCode::kNotFound, _));
  EXPECT_EQ(reader().GetExperiment(1)->jobs_made, 1);
}

TEST_P(StoreContract, JobsNeedTheirTemplateAndLinksTheirJobAndExperiment) {
  MustCommit(MakeExperiment(1, 1, 1, 1));
  const auto insert = [&](std::vector<JobRow> jobs, std::vector<LinkRow> links, int64_t experiment) {
    return store_->CommitAndWait([=](Writer& writer) { return writer.InsertJobs(experiment, jobs, links, 1); });
  };
  EXPECT_THAT(insert({TestJob(2, 99)}, {}, 1), StatusIs(absl::StatusCode::kNotFound, HasSubstr("template 99")));
  EXPECT_THAT(insert({}, {LinkRow{1, 1, 0, 99}}, 1), StatusIs(absl::StatusCode::kNotFound, HasSubstr("job 99")));
  EXPECT_THAT(insert({}, {LinkRow{8, 1, 0, 1}}, 1), StatusIs(absl::StatusCode::kNotFound, HasSubstr("experiment")));
  EXPECT_THAT(insert({}, {}, 8), StatusIs(absl::StatusCode::kNotFound, HasSubstr("experiment 8")));
  EXPECT_THAT(insert({}, {LinkRow{1, 0, 0, 1}}, 1), StatusIs(absl::StatusCode::kAlreadyExists, _));
  JobRow bad = TestJob(3, 1);
  bad.spec_digest = "short";
  EXPECT_THAT(insert({bad}, {}, 1), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("32 bytes")));
}

TEST_P(StoreContract, LinksAreVisitedInOrderWithTheirJobs) {
  MustCommit(MakeExperiment(1, 2, 2, 1));
  MustCommit(MakeExperiment(2, 1, 1, 50));
  // Experiment 2 wants a job of experiment 1 too.
  MustCommit([](Writer& writer) { return writer.InsertJobs(2, {}, {LinkRow{2, 1, 0, 3, true}}, 2); });
  std::vector<std::vector<int64_t>> visited;
  const auto visit = [&](const LinkRow& link, const JobRow& job) {
    EXPECT_EQ(link.job_id, job.id);
    EXPECT_EQ(job.spec_digest, TestJob(job.id, 1).spec_digest);
    EXPECT_EQ(job.seed, TestJob(job.id, 1).seed);
    visited.push_back({link.experiment_id, link.point, link.replicate, link.job_id, link.cached ? 1 : 0});
  };
  ASSERT_OK(reader().VisitLinks(1, visit));
  ASSERT_OK(reader().VisitLinks(2, visit));
  EXPECT_THAT(visited,
              ElementsAre(ElementsAre(1, 0, 0, 1, 0), ElementsAre(1, 0, 1, 2, 0), ElementsAre(1, 1, 0, 3, 0),
                          ElementsAre(1, 1, 1, 4, 0), ElementsAre(2, 0, 0, 50, 0), ElementsAre(2, 1, 0, 3, 1)));
  EXPECT_EQ(reader().GetExperiment(2)->jobs_made, 2);
}

TEST_P(StoreContract, AttemptsAreCountedAndListedInOrder) {
  MustCommit(MakeExperiment(1, 1, 1, 1));
  MustCommit([](Writer& writer) { return writer.InsertAttempt(TestAttempt(1, 2, kLargest)); });
  MustCommit([](Writer& writer) { return writer.InsertAttempt(TestAttempt(1, 1, 8)); });
  MustCommit([](Writer& writer) {
    return writer.EndAttempt(AttemptEnd{1, 1, TestTime(9), v1::FAILURE_CLASS_LOST, "gone", "last words"});
  });
  const auto attempts = reader().ListAttempts(1);
  ASSERT_OK(attempts);
  ASSERT_THAT(*attempts, SizeIs(2));
  const v1::Attempt& first = attempts->front();
  EXPECT_EQ(first.number(), 1u);
  EXPECT_EQ(first.epoch(), 3u);
  EXPECT_EQ(first.fence(), 8u);
  EXPECT_EQ(first.worker(), "worker-a");
  EXPECT_EQ(first.start_time().seconds(), absl::ToUnixSeconds(TestTime(1)));
  EXPECT_EQ(first.start_time().nanos(), 123456789);
  EXPECT_EQ(first.end_time().seconds(), absl::ToUnixSeconds(TestTime(9)));
  EXPECT_EQ(first.failure_class(), v1::FAILURE_CLASS_LOST);
  EXPECT_EQ(first.failure(), "gone");
  EXPECT_EQ(first.stderr_tail(), "last words");
  const v1::Attempt& second = attempts->back();
  EXPECT_EQ(second.fence(), kLargest);
  EXPECT_FALSE(second.has_end_time());
  EXPECT_EQ(second.failure_class(), v1::FAILURE_CLASS_UNSPECIFIED);
  EXPECT_EQ(reader().GetLastIds()->fence, kLargest);
  EXPECT_EQ(reader().GetResult(1)->attempts(), 2);
  EXPECT_EQ((*reader().FindJobs({TestJob(1, 1).spec_digest}, kTestModelVersion, ""))[0]->attempts, 2u);
}

TEST_P(StoreContract, AnAttemptIsMadeOnceAndEndsOnce) {
  MustCommit(MakeExperiment(1, 1, 1, 1));
  MustCommit([](Writer& writer) { return writer.InsertAttempt(TestAttempt(1, 1, 1)); });
  EXPECT_THAT(store_->CommitAndWait([](Writer& writer) { return writer.InsertAttempt(TestAttempt(1, 1, 2)); }),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("attempt 1")));
  const auto end = [&](uint32_t number, v1::FailureClass failure_class) {
    return store_->CommitAndWait([=](Writer& writer) {
      return writer.EndAttempt(AttemptEnd{1, number, TestTime(9), failure_class, "x", ""});
    });
  };
  EXPECT_OK(end(1, v1::FAILURE_CLASS_INFRA));
  EXPECT_OK(end(1, v1::FAILURE_CLASS_LOST));  // the first end stays, nothing is counted twice
  EXPECT_THAT(end(2, v1::FAILURE_CLASS_LOST), StatusIs(absl::StatusCode::kNotFound, HasSubstr("attempt 2")));
  EXPECT_EQ(reader().ListAttempts(1)->front().failure_class(), v1::FAILURE_CLASS_INFRA);
  const JobRow job = *(*reader().FindJobs({TestJob(1, 1).spec_digest}, kTestModelVersion, ""))[0];
  EXPECT_EQ(job.infra_failures, 1u);
  EXPECT_EQ(job.lost, 0u);
}

TEST_P(StoreContract, StandardErrorBeyondItsLimitIsRefused) {
  MustCommit(MakeExperiment(1, 1, 1, 1));
  MustCommit([](Writer& writer) { return writer.InsertAttempt(TestAttempt(1, 1, 1)); });
  const auto end = [&](size_t bytes) {
    return store_->CommitAndWait([=](Writer& writer) {
      return writer.EndAttempt(AttemptEnd{1, 1, TestTime(9), v1::FAILURE_CLASS_USER, "x", std::string(bytes, 'e')});
    });
  };
  EXPECT_THAT(end((64 << 10) + 1), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("65537 bytes")));
  EXPECT_OK(end(64 << 10));
  EXPECT_THAT(reader().ListAttempts(1)->front().stderr_tail(), SizeIs(64 << 10));
}

TEST_P(StoreContract, OpenAttemptsAreThoseWithoutEndOfJobsWithoutResult) {
  MustCommit(MakeExperiment(1, 4, 1, 1));
  MustCommit([](Writer& writer) -> absl::Status {
    for (int64_t job : {1, 2, 3}) EXPECT_OK(writer.InsertAttempt(TestAttempt(job, 1, kLargest - job)));
    EXPECT_OK(writer.EndAttempt(AttemptEnd{2, 1, TestTime(9), v1::FAILURE_CLASS_INFRA, "", ""}));
    return writer.InsertResult(TestResult(3, 1));
  });
  const auto open = reader().OpenAttempts();
  ASSERT_OK(open);
  ASSERT_THAT(*open, SizeIs(1));
  EXPECT_EQ(open->front().job_id, 1);
  EXPECT_EQ(open->front().number, 1u);
  EXPECT_EQ(open->front().fence, kLargest - 1);
  EXPECT_EQ(open->front().epoch, 3u);
  EXPECT_EQ(open->front().worker, "worker-a");
  EXPECT_EQ(open->front().start_time, TestTime(1));
}

TEST_P(StoreContract, SeedsAreKeptToTheLastBit) {
  MustCommit(MakeExperiment(1, 1, 1, 1));
  JobRow job = TestJob(2, 1);
  job.seed = kLargest;
  MustCommit([&](Writer& writer) { return writer.InsertJobs(1, {job}, {}, 1); });
  EXPECT_EQ(reader().GetResult(2)->spec().seed(), kLargest);
  EXPECT_EQ((*reader().FindJobs({job.spec_digest}, kTestModelVersion, ""))[0]->seed, kLargest);
}

TEST_P(StoreContract, ACaptureIsKeptOnce) {
  v1::Capture capture;
  capture.set_name("captures/" + std::string(62, '0') + "af");
  capture.set_size_bytes(int64_t{4} << 30);
  capture.set_display_name("my laptop");
  capture.mutable_create_time()->set_seconds(1'700'000'000);
  capture.mutable_create_time()->set_nanos(5);
  MustCommit([&](Writer& writer) { return writer.InsertCapture(capture); });
  v1::Capture again = capture;
  again.set_display_name("another name");
  MustCommit([&](Writer& writer) { return writer.InsertCapture(again); });
  const auto read = reader().GetCapture(capture.name());
  ASSERT_OK(read);
  EXPECT_THAT(*read, EqualsMessage(capture));
  EXPECT_THAT(reader().GetCapture("captures/" + std::string(64, 'b')), StatusIs(absl::StatusCode::kNotFound, _));
  for (const std::string name : {"captures/xyz", "capture", "", "captures/../x"}) {
    EXPECT_THAT(reader().GetCapture(name), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("64")));
  }
}

}  // namespace
}  // namespace dmfrag::storage
