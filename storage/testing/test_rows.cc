#include "storage/testing/test_rows.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/metric_fields.h"

namespace dmfrag::storage {
namespace {

constexpr int64_t kFirstSecond = 1'700'000'000;
constexpr int64_t kOddNanoseconds = 123'456'789;
constexpr uint64_t kOddMultiplier = 0x9e3779b97f4a7c15;

}  // namespace

Digest TestDigest(const std::string& name) {
  Digest digest(32, '\0');
  for (size_t i = 0; i < name.size(); ++i) digest[31 - i % 32] ^= static_cast<char>(name[i] + i);
  digest.replace(0, std::min<size_t>(name.size(), 24), name.substr(0, 24));
  return digest;
}

absl::Time TestTime(int64_t seconds) {
  return absl::FromUnixSeconds(kFirstSecond + seconds) + absl::Nanoseconds(kOddNanoseconds);
}

std::string TestRequestId(int64_t number) { return absl::StrCat("00000000-0000-4000-8000-", 100000000000 + number); }

ExperimentRow TestExperiment(int64_t id, int64_t points, int64_t replicates) {
  ExperimentRow row;
  row.id = id;
  row.experiment.set_display_name(absl::StrCat("experiment ", id));
  row.experiment.set_source_text("name: experiment\n");
  row.experiment.set_replicates(static_cast<uint32_t>(replicates));
  row.experiment.set_model_version(kTestModelVersion);
  row.points = points;
  row.jobs_total = points * replicates;
  row.salt = "";
  row.create_time = TestTime(id);
  return row;
}

v1::JobSpec TestTemplate(int64_t template_id) {
  v1::JobSpec spec;
  spec.mutable_length()->set_duration_us(static_cast<uint64_t>(template_id));
  return spec;
}

JobRow TestJob(int64_t id, int64_t template_id) {
  JobRow row;
  row.id = id;
  row.spec_digest = TestDigest(absl::StrCat("spec of job ", id));
  row.model_version = kTestModelVersion;
  row.template_id = template_id;
  row.seed = static_cast<uint64_t>(id) * kOddMultiplier;
  return row;
}

AttemptRow TestAttempt(int64_t job_id, uint32_t number, uint64_t fence) {
  AttemptRow row;
  row.job_id = job_id;
  row.number = number;
  row.fence = fence;
  row.epoch = 3;
  row.worker = "worker-a";
  row.start_time = TestTime(job_id);
  return row;
}

v1::Metrics TestMetrics() {
  v1::Metrics metrics;
  int64_t value = std::numeric_limits<int64_t>::min();
  for (const auto* field : MetricFields()) {
    SetMetricValue(metrics, *field, value);
    // The smallest, then 0, then small ones, and the largest last.
    value = value < 0 ? 0 : value + 1;
  }
  SetMetricValue(metrics, *MetricFields().back(), std::numeric_limits<int64_t>::max());
  return metrics;
}

ResultRow TestResult(int64_t job_id, int64_t splits_2m) {
  ResultRow row;
  row.job_id = job_id;
  row.attempt = 1;
  row.fence = static_cast<uint64_t>(job_id);
  row.worker = "worker-a";
  row.result_digest = TestDigest(absl::StrCat("result ", job_id, " ", splits_2m));
  row.wall_us = 1500;
  row.cpu_us = 1400;
  row.commit_time = TestTime(1000 + job_id);
  row.result.set_outcome(v1::OUTCOME_COMPLETED);
  *row.result.mutable_metrics() = TestMetrics();
  row.result.mutable_metrics()->set_splits_2m(splits_2m);
  // Out of order and twice the same: the store keeps what it is given.
  for (const char* user : {"secretmem", "ordinary", "secretmem"}) {
    v1::Attribution& attribution = *row.result.add_attributions();
    attribution.set_user(user);
    attribution.set_cache("global");
    attribution.set_metric("splits_2m");
    attribution.set_value(splits_2m);
  }
  row.result.mutable_time_series()->add_time_us(10);
  v1::Series& series = *row.result.mutable_time_series()->add_series();
  series.set_metric("splits_2m");
  series.add_values(-5);
  row.result.set_aged_state_sha256(std::string(64, 'd'));
  row.result.mutable_replay()->set_capture_id("capture");
  row.result.mutable_replay()->add_steps()->set_index(4);
  return row;
}

Store::Work MakeExperiment(int64_t id, int64_t points, int64_t replicates, int64_t first_job) {
  return [=](Writer& writer) -> absl::Status {
    absl::Status status = writer.InsertExperiment(TestExperiment(id, points, replicates), TestRequestId(id),
                                                  TestDigest(absl::StrCat("request ", id)));
    if (status.ok()) status = writer.InsertTemplate(id, TestTemplate(id));
    std::vector<JobRow> jobs;
    std::vector<LinkRow> links;
    for (int64_t i = 0; i < points * replicates; ++i) {
      jobs.push_back(TestJob(first_job + i, id));
      links.push_back(LinkRow{id, i / replicates, i % replicates, first_job + i, false});
    }
    if (status.ok()) status = writer.InsertJobs(id, jobs, links, points * replicates);
    return status;
  };
}

}  // namespace dmfrag::storage
