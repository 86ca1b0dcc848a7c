#ifndef DMFRAG_STORAGE_TESTING_TEST_ROWS_H_
#define DMFRAG_STORAGE_TESTING_TEST_ROWS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "storage/store.h"

// Rows for tests, each a function of its arguments alone.
namespace dmfrag::storage {

inline constexpr uint32_t kTestModelVersion = 7;

// Distinct for distinct names.
Digest TestDigest(const std::string& name);

// Distinct for distinct seconds; with nanoseconds that are no whole microseconds.
absl::Time TestTime(int64_t seconds);

// A UUID-like request id.
std::string TestRequestId(int64_t number);

ExperimentRow TestExperiment(int64_t id, int64_t points, int64_t replicates);

// A spec without seed.
v1::JobSpec TestTemplate(int64_t template_id);

JobRow TestJob(int64_t id, int64_t template_id);

AttemptRow TestAttempt(int64_t job_id, uint32_t number, uint64_t fence);

// A result with every part set, whose metric splits_2m is `splits_2m`.
ResultRow TestResult(int64_t job_id, int64_t splits_2m);

// Every metric set, each to another value, the extremes among them.
v1::Metrics TestMetrics();

// Adds experiment `id` with template `id`, and jobs and links for each point and replicate. Job ids follow `first_job`.
Store::Work MakeExperiment(int64_t id, int64_t points, int64_t replicates, int64_t first_job);

}  // namespace dmfrag::storage

#endif  // DMFRAG_STORAGE_TESTING_TEST_ROWS_H_
