// Results: exactly one a job, read back exactly, listed and filtered.
#include <utility>
#include <vector>

#include "storage/testing/store_contract.h"
#include "storage/testing/test_rows.h"

namespace dmfrag::storage {
namespace {

using testing::_;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<std::pair<int64_t, int64_t>> Places(const std::vector<v1::Result>& results) {
  std::vector<std::pair<int64_t, int64_t>> places;
  for (const v1::Result& result : results) places.emplace_back(result.point(), result.replicate());
  return places;
}

// Jobs 1 to 6 of three points with two replicates; jobs 1, 2, 3 and 5 have results with splits_2m = 10 times their id.
Store::Work SomeResults() {
  return [](Writer& writer) -> absl::Status {
    absl::Status status = MakeExperiment(1, 3, 2, 1)(writer);
    for (int64_t job : {1, 2, 3, 5}) {
      if (status.ok()) status = writer.InsertResult(TestResult(job, 10 * job));
    }
    return status;
  };
}

TEST_P(StoreContract, AResultIsReadWhole) {
  MustCommit(MakeExperiment(1, 1, 1, 1));
  const ResultRow row = TestResult(1, 42);
  MustCommit([&](Writer& writer) { return writer.InsertResult(row); });
  const auto result = reader().GetResult(1);
  ASSERT_OK(result);
  EXPECT_EQ(result->name(), "jobs/1");
  EXPECT_EQ(result->state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_THAT(result->spec_sha256(), SizeIs(64));
  EXPECT_EQ(result->model_version(), kTestModelVersion);
  v1::JobSpec spec = TestTemplate(1);
  spec.set_seed(TestJob(1, 1).seed);
  EXPECT_THAT(result->spec(), EqualsMessage(spec));
  EXPECT_THAT(result->result_sha256(), SizeIs(64));
  EXPECT_THAT(result->result(), EqualsMessage(row.result));
  EXPECT_EQ(result->commit_time().seconds(), absl::ToUnixSeconds(row.commit_time));
  EXPECT_EQ(result->commit_time().nanos(), 123456789);
  EXPECT_FALSE(result->has_point());
  EXPECT_FALSE(result->has_replicate());
  EXPECT_EQ(result->failure(), "");
}

TEST_P(StoreContract, DigestsAreShownInLowerCaseHex) {
  MustCommit(MakeExperiment(1, 1, 1, 1));
  JobRow job = TestJob(2, 1);
  job.spec_digest = Digest(31, '\xab') + '\x01';
  ResultRow row = TestResult(2, 1);
  row.result_digest = Digest(32, '\0');
  MustCommit([&](Writer& writer) -> absl::Status {
    EXPECT_OK(writer.InsertJobs(1, {job}, {}, 1));
    return writer.InsertResult(row);
  });
  std::string hex;
  for (int i = 0; i < 31; ++i) hex += "ab";
  EXPECT_EQ(reader().GetResult(2)->spec_sha256(), hex + "01");
  EXPECT_EQ(reader().GetResult(2)->result_sha256(), std::string(64, '0'));
}

// Every shape whose difference a digest would see.
TEST_P(StoreContract, AbsentStaysAbsentAndEmptyStaysEmpty) {
  std::vector<v1::JobResult> shapes(7);
  shapes[1].mutable_metrics();
  shapes[2].mutable_metrics()->set_splits_1g(0);
  shapes[3].mutable_time_series();
  shapes[4].mutable_replay();
  shapes[5].add_attributions();
  *shapes[6].mutable_metrics() = TestMetrics();
  shapes[6].mutable_metrics()->clear_held_pages();
  shapes[6].set_outcome(v1::OUTCOME_STOPPED_AT_LIMIT);
  MustCommit(MakeExperiment(1, 7, 1, 1));
  for (size_t i = 0; i < shapes.size(); ++i) {
    ResultRow row = TestResult(static_cast<int64_t>(i) + 1, 0);
    row.result = shapes[i];
    MustCommit([&](Writer& writer) { return writer.InsertResult(row); });
  }
  ResultQuery query;
  query.experiment_id = 1;
  query.with_details = true;
  const auto listed = reader().ListResults(query);
  ASSERT_OK(listed);
  ASSERT_THAT(*listed, SizeIs(shapes.size()));
  for (size_t i = 0; i < shapes.size(); ++i) {
    SCOPED_TRACE(i);
    const auto result = reader().GetResult(static_cast<int64_t>(i) + 1);
    ASSERT_OK(result);
    EXPECT_TRUE(result->has_result());
    EXPECT_THAT(result->result(), EqualsMessage(shapes[i]));
    EXPECT_THAT((*listed)[i].result(), EqualsMessage(shapes[i]));
  }
}

TEST_P(StoreContract, AJobHasOneResult) {
  MustCommit(MakeExperiment(1, 1, 1, 1));
  MustCommit([](Writer& writer) { return writer.InsertResult(TestResult(1, 1)); });
  const absl::Status second =
      store_->CommitAndWait([](Writer& writer) { return writer.InsertResult(TestResult(1, 2)); });
  EXPECT_THAT(second, StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("job 1")));
  EXPECT_THAT(reader().GetResult(1)->result(), EqualsMessage(TestResult(1, 1).result));
}

TEST_P(StoreContract, ASecondResultCanBeKeptAsEvidenceInTheSameUnit) {
  MustCommit(MakeExperiment(1, 1, 1, 1));
  MustCommit([](Writer& writer) { return writer.InsertResult(TestResult(1, 1)); });
  for (int i = 0; i < 2; ++i) {  // sent twice: kept once
    MustCommit([](Writer& writer) -> absl::Status {
      const absl::Status status = writer.InsertResult(TestResult(1, 2));
      return absl::IsAlreadyExists(status) ? writer.InsertDuplicate(TestResult(1, 2), "late") : status;
    });
  }
  EXPECT_EQ(reader().GetResult(1)->duplicates(), 1);
  MustCommit([](Writer& writer) { return writer.InsertDuplicate(TestResult(1, 3), "late"); });
  EXPECT_EQ(reader().GetResult(1)->duplicates(), 2);
  EXPECT_THAT(reader().GetResult(1)->result(), EqualsMessage(TestResult(1, 1).result));
}

TEST_P(StoreContract, AResultNeedsItsJob) {
  EXPECT_THAT(store_->CommitAndWait([](Writer& writer) { return writer.InsertResult(TestResult(9, 1)); }),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("job 9")));
  EXPECT_THAT(store_->CommitAndWait([](Writer& writer) { return writer.InsertDuplicate(TestResult(9, 1), "x"); }),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("job 9")));
}

TEST_P(StoreContract, ResultsThatCannotBeKeptExactlyAreRefused) {
  MustCommit(MakeExperiment(1, 1, 1, 1));
  const auto insert = [&](const ResultRow& row) {
    return store_->CommitAndWait([&](Writer& writer) { return writer.InsertResult(row); });
  };
  ResultRow unknown = TestResult(1, 1);
  v1::Metrics::GetReflection()->MutableUnknownFields(unknown.result.mutable_metrics())->AddVarint(9999, 1);
  EXPECT_THAT(insert(unknown), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("does not know")));
  ResultRow large = TestResult(1, 1);
  large.result.mutable_time_series()->mutable_series(0)->set_metric(std::string(64 << 10, 'm'));
  EXPECT_THAT(insert(large), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("coarsen")));
  ResultRow digest = TestResult(1, 1);
  digest.result_digest = "short";
  EXPECT_THAT(insert(digest), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("32 bytes")));
  EXPECT_FALSE(reader().GetResult(1)->has_result());
}

TEST_P(StoreContract, AJobWithAResultStaysSucceeded) {
  MustCommit(MakeExperiment(1, 2, 1, 1));
  const auto set = [&](int64_t job, v1::JobState state) {
    return store_->CommitAndWait([=](Writer& writer) { return writer.SetJobState(job, state, "poison"); });
  };
  EXPECT_OK(set(1, v1::JOB_STATE_FAILED));
  EXPECT_EQ(reader().GetResult(1)->state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(reader().GetResult(1)->failure(), "poison");
  MustCommit([](Writer& writer) { return writer.InsertResult(TestResult(1, 1)); });
  EXPECT_OK(set(1, v1::JOB_STATE_CANCELLED));
  EXPECT_EQ(reader().GetResult(1)->state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(reader().GetResult(1)->failure(), "");
  EXPECT_THAT(set(2, v1::JOB_STATE_SUCCEEDED), StatusIs(absl::StatusCode::kInvalidArgument, _));
  EXPECT_THAT(set(2, v1::JOB_STATE_UNSPECIFIED), StatusIs(absl::StatusCode::kInvalidArgument, _));
  EXPECT_THAT(set(9, v1::JOB_STATE_FAILED), StatusIs(absl::StatusCode::kNotFound, HasSubstr("job 9")));
}

TEST_P(StoreContract, ResultsAreListedByPointAndReplicatePageByPage) {
  MustCommit(SomeResults());
  ResultQuery query;
  query.experiment_id = 1;
  query.limit = 4;
  const auto first = reader().ListResults(query);
  ASSERT_OK(first);
  using Place = std::pair<int64_t, int64_t>;
  EXPECT_THAT(Places(*first), ElementsAre(Place(0, 0), Place(0, 1), Place(1, 0), Place(1, 1)));
  EXPECT_EQ((*first)[0].state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ((*first)[3].state(), v1::JOB_STATE_QUEUED);
  EXPECT_FALSE((*first)[3].has_result());
  EXPECT_FALSE((*first)[0].has_spec());
  EXPECT_FALSE((*first)[0].result().has_time_series());
  EXPECT_FALSE((*first)[0].result().has_replay());
  EXPECT_THAT((*first)[0].result().attributions(), SizeIs(3));
  query.after_point = 1;
  query.after_replicate = 1;
  EXPECT_THAT(Places(*reader().ListResults(query)), ElementsAre(Place(2, 0), Place(2, 1)));
  query.after_point = 2;
  EXPECT_THAT(*reader().ListResults(query), IsEmpty());
}

TEST_P(StoreContract, AListCanCarrySpecsAndDetails) {
  MustCommit(SomeResults());
  ResultQuery query;
  query.experiment_id = 1;
  query.with_spec = true;
  query.with_details = true;
  const auto results = reader().ListResults(query);
  ASSERT_OK(results);
  ASSERT_THAT(*results, SizeIs(6));
  for (int i = 0; i < 6; ++i) EXPECT_EQ((*results)[i].spec().seed(), TestJob(i + 1, 1).seed);
  EXPECT_THAT((*results)[4].result(), EqualsMessage(TestResult(5, 50).result));
}

TEST_P(StoreContract, FiltersCompareMetricsPlacesAndStates) {
  MustCommit(SomeResults());
  const auto jobs = [&](std::vector<Comparison> where) {
    ResultQuery query;
    query.experiment_id = 1;
    query.where = std::move(where);
    std::vector<std::string> names;
    const auto results = reader().ListResults(query);
    EXPECT_OK(results);
    for (const v1::Result& result : *results) names.push_back(result.name());
    return names;
  };
  EXPECT_THAT(jobs({{"splits_2m", "=", 20}}), ElementsAre("jobs/2"));
  EXPECT_THAT(jobs({{"splits_2m", "!=", 20}}), ElementsAre("jobs/1", "jobs/3", "jobs/5"));
  EXPECT_THAT(jobs({{"splits_2m", "<", 20}}), ElementsAre("jobs/1"));
  EXPECT_THAT(jobs({{"splits_2m", "<=", 20}}), ElementsAre("jobs/1", "jobs/2"));
  EXPECT_THAT(jobs({{"splits_2m", ">", 20}}), ElementsAre("jobs/3", "jobs/5"));
  EXPECT_THAT(jobs({{"splits_2m", ">=", 20}}), ElementsAre("jobs/2", "jobs/3", "jobs/5"));
  EXPECT_THAT(jobs({{"point", "=", 1}}), ElementsAre("jobs/3", "jobs/4"));
  EXPECT_THAT(jobs({{"replicate", "=", 0}, {"splits_2m", ">", 10}}), ElementsAre("jobs/3", "jobs/5"));
  EXPECT_THAT(jobs({{"state", "=", v1::JOB_STATE_SUCCEEDED}, {"point", "<=", 0}}), ElementsAre("jobs/1", "jobs/2"));
  EXPECT_THAT(jobs({{"state", "!=", v1::JOB_STATE_SUCCEEDED}}), ElementsAre("jobs/4", "jobs/6"));
}

TEST_P(StoreContract, AnAbsentMetricMatchesNothing) {
  MustCommit(MakeExperiment(1, 1, 1, 1));
  ResultRow row = TestResult(1, 1);
  row.result.mutable_metrics()->clear_free_pages();
  MustCommit([&](Writer& writer) { return writer.InsertResult(row); });
  for (const char* op : {"=", "!=", "<", "<=", ">", ">="}) {
    ResultQuery query;
    query.experiment_id = 1;
    query.where = {{"free_pages", op, 0}};
    EXPECT_THAT(*reader().ListResults(query), IsEmpty()) << op;
  }
}

TEST_P(StoreContract, WrongQueriesAreRefusedAndSayWhy) {
  MustCommit(MakeExperiment(1, 1, 1, 1));
  ResultQuery query;
  query.experiment_id = 1;
  query.where = {{"split_2m", "=", 1}};
  EXPECT_THAT(reader().ListResults(query),
              StatusIs(absl::StatusCode::kInvalidArgument, AllOf(HasSubstr("\"split_2m\""), HasSubstr("splits_2m"))));
  query.where = {{"splits_2m", "~", 1}};
  EXPECT_THAT(reader().ListResults(query),
              StatusIs(absl::StatusCode::kInvalidArgument, AllOf(HasSubstr("\"~\""), HasSubstr(">="))));
  query.where.clear();
  query.limit = 0;
  EXPECT_THAT(reader().ListResults(query), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("limit")));
  query.limit = 1;
  query.experiment_id = 2;
  EXPECT_THAT(reader().ListResults(query), StatusIs(absl::StatusCode::kNotFound, HasSubstr("experiment 2")));
}

TEST_P(StoreContract, ACancelReleasesTheLinksOfItsExperimentAlone) {
  MustCommit(MakeExperiment(1, 3, 1, 1));
  MustCommit(MakeExperiment(2, 0, 1, 9));
  MustCommit([](Writer& writer) -> absl::Status {
    EXPECT_OK(writer.InsertJobs(2, {}, {LinkRow{2, 0, 0, 2, true}}, 1));
    EXPECT_OK(writer.InsertResult(TestResult(1, 1)));
    EXPECT_OK(writer.SetJobState(3, v1::JOB_STATE_FAILED, "poison"));
    return writer.EndExperiment(1, v1::EXPERIMENT_STATE_CANCELLED, TestTime(5), v1::JobCounts());
  });
  // Experiment 2 goes on, and job 2 ends well.
  MustCommit([](Writer& writer) { return writer.InsertResult(TestResult(2, 2)); });
  ResultQuery query;
  query.experiment_id = 1;
  const auto results = reader().ListResults(query);
  ASSERT_OK(results);
  ASSERT_THAT(*results, SizeIs(3));
  EXPECT_EQ((*results)[0].state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ((*results)[1].state(), v1::JOB_STATE_CANCELLED);
  EXPECT_FALSE((*results)[1].has_result());
  EXPECT_EQ((*results)[2].state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ((*results)[2].failure(), "poison");
  query.where = {{"state", "=", v1::JOB_STATE_CANCELLED}};
  EXPECT_THAT(*reader().ListResults(query), SizeIs(1));
  query.where = {{"splits_2m", ">=", 0}};
  EXPECT_THAT(*reader().ListResults(query), SizeIs(1));
  query.experiment_id = 2;
  EXPECT_EQ(reader().ListResults(query)->front().state(), v1::JOB_STATE_SUCCEEDED);
}

}  // namespace
}  // namespace dmfrag::storage
