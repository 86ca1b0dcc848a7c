// results, experiments, workers and logs against a scripted server, in every format.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "client/testing/fake_server.h"
#include "client/testing/program_run.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dmfrag::client {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

constexpr uint64_t kLargeSeed = 18446744073709551615u;

// Two cache types by two memory sizes, three replicates: splits_2m of point p and replicate r is `splits[p] + r`.
class ResultsTest : public testing::Test {
 protected:
  ResultsTest() {
    v1::Experiment& experiment = server_.experiments.experiment;
    experiment.set_name("experiments/1");
    experiment.set_display_name("quick, \"start\"");
    experiment.set_state(v1::EXPERIMENT_STATE_DONE);
    experiment.set_points(4);
    experiment.mutable_counts()->set_total(12);
    experiment.mutable_counts()->set_succeeded(12);
    experiment.add_axes()->set_path("cache");
    experiment.add_axes()->set_path("machine.memory_bytes");
    server_.experiments.list = {experiment};
    const std::vector<std::vector<std::string>> labels = {
        {"none", "1 GiB"}, {"none", "4 GiB"}, {"global", "1 GiB"}, {"global", "4 GiB"}};
    const std::vector<int64_t> splits = {100, 200, 10, 200};
    for (int point = 0; point < 4; ++point) {
      for (int replicate = 0; replicate < 3; ++replicate) AddResult(point, replicate, labels[point], splits[point]);
    }
    server_.Start();
    world_.variables["DMFRAG_SERVER"] = server_.address();
  }

  void AddResult(int point, int replicate, const std::vector<std::string>& labels, int64_t splits) {
    v1::Result result;
    result.set_name("jobs/" + std::to_string(3 * point + replicate + 1));
    result.set_state(v1::JOB_STATE_SUCCEEDED);
    result.set_point(point);
    result.set_replicate(replicate);
    for (const std::string& label : labels) result.add_axis_labels(label);
    result.mutable_spec()->set_seed(kLargeSeed);
    result.set_spec_sha256("ab");
    result.set_result_sha256("cd");
    v1::Metrics& metrics = *result.mutable_result()->mutable_metrics();
    metrics.set_splits_2m(splits + replicate);
    metrics.set_direct_map_4k_kib(256);
    metrics.set_direct_map_2m_kib(768);
    metrics.set_flushes_all(2);
    metrics.set_flushes_range(3);
    metrics.set_operations(9007199254740993);
    server_.results.results.push_back(result);
  }

  ProgramResult Run(const std::vector<std::string>& arguments) { return RunIn(world_, arguments); }

  FakeServer server_;
  ProgramWorld world_;
};

TEST_F(ResultsTest, TheTableHasARowPerPointWithItsInterval) {
  const ProgramResult result = Run({"results", "e1"});
  ASSERT_EQ(result.code, ExitCode::kOk) << result.err;
  // Standard error 1/sqrt(3), times t(2) = 4.303: 2.5. Where memory is 4 GiB both caches are alike: nothing is marked.
  EXPECT_EQ(result.out,
            "experiments/1 quick, \"start\": 4 points, 12 jobs, 12 succeeded (0 of them cached), 0 failed\n"
            "\n"
            "cache   memory  jobs     splits 2M  splits 1G  DirectMap4k  flushes  held pages\n"
            "none    1 GiB      3  101.0 ± 2.5           -     25 ± 0 %    5 ± 0           -\n"
            "none    4 GiB      3  201.0 ± 2.5           -     25 ± 0 %    5 ± 0           -\n"
            "global  1 GiB      3   11.0 ± 2.5*          -     25 ± 0 %    5 ± 0           -\n"
            "global  4 GiB      3  201.0 ± 2.5           -     25 ± 0 %    5 ± 0           -\n"
            "\n"
            "mean ± half-width of the 95 % confidence interval (Student t) over replicates; DirectMap4k: share of the "
            "direct map\n"
            "in 4K pages at the end; flushes: whole and range; held pages: 4K pages idle in caches at the end\n"
            "*: fewest 2M splits among points that differ in cache\n");
}

TEST_F(ResultsTest, OnATerminalTheBestIsBold) {
  world_.style_out = true;
  EXPECT_THAT(Run({"results", "e1"}).out, HasSubstr("\x1b[1m11.0 ± 2.5\x1b[0m"));
}

TEST_F(ResultsTest, EveryPageIsRead) {
  server_.results.page_size = 5;
  const ProgramResult paged = Run({"results", "e1"});
  EXPECT_THAT(server_.results.listed, SizeIs(3));
  EXPECT_EQ(server_.results.listed[0].page_size(), 1000);
  EXPECT_EQ(server_.results.listed[2].page_token(), "10");
  server_.results.page_size = 1000;
  EXPECT_EQ(paged.out, Run({"results", "e1"}).out);
}

TEST_F(ResultsTest, TheFilterIsForTheServer) {
  Run({"results", "e1", "--filter", "splits_2m > 10"});
  ASSERT_THAT(server_.results.listed, SizeIs(1));
  EXPECT_EQ(server_.results.listed[0].filter(), "splits_2m > 10");
}

TEST_F(ResultsTest, JsonGivesTheAggregatesWithTheirUnits) {
  const ProgramResult result = Run({"results", "e1", "-o", "json"});
  ASSERT_EQ(result.code, ExitCode::kOk);
  const json document = json::parse(result.out);
  EXPECT_EQ(document["axes"], json({"cache", "memory"}));
  ASSERT_EQ(document["points"].size(), 4u);
  const json& point = document["points"][2];
  EXPECT_EQ(point["axes"], json({{"cache", "global"}, {"memory", "1 GiB"}}));
  const json& splits = point["metrics"]["splits_2m"];
  EXPECT_EQ(splits["n"], 3);
  EXPECT_EQ(splits["mean"], 11.0);
  EXPECT_NEAR(splits["ci95"].get<double>(), 2.484, 1e-3);
  EXPECT_EQ(splits["unit"], "splits");
  EXPECT_EQ(point["metrics"]["direct_map_4k_percent"]["mean"], 25.0);
  EXPECT_FALSE(point["metrics"].contains("splits_1g"));
}

TEST_F(ResultsTest, CsvHasTheSameColumnsWhateverIsAbsent) {
  const ProgramResult result = Run({"results", "e1", "-o", "csv"});
  EXPECT_THAT(result.out, testing::StartsWith("point,cache,memory,jobs,succeeded,failed,splits_2m_n,splits_2m_mean,"
                                              "splits_2m_ci95,splits_1g_n,splits_1g_mean,splits_1g_ci95,"));
  EXPECT_THAT(result.out, HasSubstr("\r\n0,none,1 GiB,3,3,0,3,101,2.48"));
  // splits_1g: no value.
  EXPECT_THAT(result.out, testing::ContainsRegex("\n0,none,1 GiB,3,3,0,3,101,[0-9.]+,0,,,"));
}

TEST_F(ResultsTest, RawJsonKeepsEveryBit) {
  const json document = json::parse(Run({"results", "e1", "--raw", "-o", "json"}).out);
  EXPECT_TRUE(server_.results.listed.at(0).with_spec());
  ASSERT_EQ(document["results"].size(), 12u);
  const json& row = document["results"][4];
  EXPECT_EQ(row["job"], "jobs/5");
  EXPECT_EQ(row["point"], 1);
  EXPECT_EQ(row["replicate"], 1);
  EXPECT_EQ(row["memory"], "4 GiB");
  EXPECT_EQ(row["state"], "succeeded");
  EXPECT_EQ(row["seed"], "18446744073709551615");
  EXPECT_EQ(row["operations"], "9007199254740993");
  EXPECT_EQ(row["spec_sha256"], "ab");
  EXPECT_EQ(row["splits_1g"], nullptr);
  EXPECT_EQ(row["failure"], nullptr);
}

TEST_F(ResultsTest, RawCsvHasARowPerJob) {
  const std::string out = Run({"results", "e1", "--raw", "-o", "csv"}).out;
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 13);
  EXPECT_THAT(out, HasSubstr("jobs/1,0,0,none,1 GiB,succeeded,18446744073709551615,ab,cd,,0,0,0,100,,"));
}

TEST_F(ResultsTest, FailedAndUnfinishedJobsAreCountedAndNotAveraged) {
  server_.results.results[0].set_state(v1::JOB_STATE_FAILED);
  server_.results.results[1].set_state(v1::JOB_STATE_QUEUED);
  const ProgramResult result = Run({"results", "e1"});
  EXPECT_THAT(result.out, HasSubstr("none    1 GiB   1/3 (1 failed)          102"));
}

TEST_F(ResultsTest, CostsAreShownWhereThereAreAny) {
  EXPECT_THAT(Run({"results", "e1"}).out, Not(HasSubstr("TLB ppm")));
  for (v1::Result& result : server_.results.results) {
    result.mutable_result()->mutable_metrics()->set_predicted_cycles(123);
    result.mutable_result()->mutable_metrics()->set_translation_ppm(456);
  }
  const std::string out = Run({"results", "e1"}).out;
  EXPECT_THAT(out, HasSubstr("held pages   cycles  TLB ppm"));
  EXPECT_THAT(out, HasSubstr("123 ± 0  456 ± 0\n"));
  EXPECT_THAT(out, HasSubstr("rest on guesses"));
}

TEST_F(ResultsTest, NoResultsGiveAnEmptyTable) {
  server_.results.results.clear();
  const ProgramResult result = Run({"results", "e1"});
  EXPECT_EQ(result.code, ExitCode::kOk);
  EXPECT_THAT(result.out, HasSubstr("\ncache  memory  jobs  splits 2M"));
}

TEST_F(ResultsTest, ExperimentsAreListedOverAllPages) {
  server_.experiments.list_page_size = 1;
  v1::Experiment older = server_.experiments.experiment;
  older.set_name("experiments/0");
  older.set_display_name("esc\x1b[2J");
  older.mutable_create_time()->set_seconds(0);
  server_.experiments.list.push_back(older);
  const ProgramResult table = Run({"experiments"});
  EXPECT_THAT(table.out, HasSubstr("experiments/1  quick, \"start\"  done     12         12       0       0  1970"));
  EXPECT_THAT(table.out, HasSubstr("experiments/0  esc?[2J"));
  const ProgramResult csv = Run({"experiments", "-o", "csv"});
  EXPECT_THAT(csv.out,
              HasSubstr("experiments/1,\"quick, \"\"start\"\"\",done,4,12,0,0,12,0,0,0,1970-01-01T00:00:00Z\r\n"));
  const json document = json::parse(Run({"experiments", "-o", "json"}).out);
  ASSERT_EQ(document["experiments"].size(), 2u);
  EXPECT_EQ(document["experiments"][0]["counts"]["total"], "12");
}

TEST_F(ResultsTest, WorkersAreListedOverAllPages) {
  for (const char* name : {"workers/a", "workers/b", "workers/c"}) {
    v1::Worker worker;
    worker.set_name(name);
    worker.set_host("node1");
    worker.set_slots(2);
    worker.set_connected(worker.name() != "workers/b");
    server_.workers.workers.push_back(worker);
  }
  const ProgramResult result = Run({"workers"});
  EXPECT_THAT(result.out, HasSubstr("workers/a  node1  connected"));
  EXPECT_THAT(result.out, HasSubstr("workers/b  node1  away"));
  EXPECT_THAT(result.out, HasSubstr("workers/c  node1  connected"));
  EXPECT_EQ(json::parse(Run({"workers", "-o", "json"}).out)["workers"].size(), 3u);
}

TEST_F(ResultsTest, LogsShowEveryAttempt) {
  v1::Attempt& lost = *server_.results.attempts.add_attempts();
  lost.set_number(1);
  lost.set_worker("w1");
  lost.mutable_end_time()->set_seconds(1);
  lost.set_failure_class(v1::FAILURE_CLASS_LOST);
  lost.set_failure("the worker went away");
  lost.set_stderr_tail("first\nsecond\x1b[0m\n");
  v1::Attempt& running = *server_.results.attempts.add_attempts();
  running.set_number(2);
  running.set_worker("w2");
  EXPECT_EQ(Run({"logs", "42"}).out,
            "jobs/42 attempt 1 on worker w1: lost: the worker went away\n"
            "    first\n"
            "    second?[0m\n"
            "jobs/42 attempt 2 on worker w2: running\n");
  EXPECT_EQ(Run({"logs", "e1"}).code, ExitCode::kUsage);
}

TEST_F(ResultsTest, TimeseriesShowsCurvesAndEverySample) {
  v1::TimeSeries& all = *server_.results.results[0].mutable_result()->mutable_time_series();
  v1::Series& splits = *all.add_series();
  splits.set_metric("splits_2m");
  for (const int value : {0, 70, 35}) {
    splits.add_values(value);
    all.add_time_us(1000000 * static_cast<uint64_t>(all.time_us_size()));
  }
  const ProgramResult table = RunIn(world_, {"timeseries", "1"});
  EXPECT_EQ(table.code, ExitCode::kOk) << table.err;
  EXPECT_THAT(table.out, HasSubstr("over 2 s"));
  EXPECT_THAT(table.out, testing::ContainsRegex("splits_2m +0 +0 +70 +35 +▁█▅"));
  const ProgramResult csv = RunIn(world_, {"timeseries", "jobs/1", "-o", "csv"});
  EXPECT_EQ(csv.out, "time_us,splits_2m\r\n0,0\r\n1000000,70\r\n2000000,35\r\n");
}

TEST_F(ResultsTest, TimeseriesSaysWhenThereIsNone) {
  const ProgramResult none = RunIn(world_, {"timeseries", "2"});
  EXPECT_EQ(none.code, ExitCode::kNotFound);
  EXPECT_THAT(none.err, HasSubstr("jobs/2 has no time series; its length.sample_interval is 0"));
  EXPECT_EQ(RunIn(world_, {"timeseries", "99"}).code, ExitCode::kNotFound);
  EXPECT_EQ(RunIn(world_, {"timeseries", "last"}).code, ExitCode::kUsage);
}

TEST_F(ResultsTest, TimeseriesRefusesOneThatContradictsItself) {
  v1::TimeSeries& all = *server_.results.results[0].mutable_result()->mutable_time_series();
  all.add_time_us(0);
  all.add_series()->set_metric("splits_2m");
  const ProgramResult result = RunIn(world_, {"timeseries", "1"});
  EXPECT_EQ(result.code, ExitCode::kUsage);
  EXPECT_THAT(result.err, HasSubstr("splits_2m has 0 values for 1 samples"));
}

}  // namespace
}  // namespace dmfrag::client
