#ifndef DMFRAG_CLIENT_RESULTS_AGGREGATE_OUTPUT_H_
#define DMFRAG_CLIENT_RESULTS_AGGREGATE_OUTPUT_H_

#include <string>

#include "client/results/aggregate.h"
#include "dmfrag/v1/experiments.pb.h"

namespace dmfrag::client {

// The result table for people: a head line, one row per point, a legend. `styled`: the best in bold, not starred.
std::string AggregateTable(const v1::Experiment& experiment, const Aggregation& aggregation, bool styled);

// One record per point: point, the axes, jobs, succeeded, failed, then NAME_n, NAME_mean, NAME_ci95 for every metric;
// empty where there is no value. The columns depend on the axes alone.
std::string AggregateCsv(const v1::Experiment& experiment, const Aggregation& aggregation);

// {"experiment", "display_name", "axes": [...], "points": [{"point", "axes": {...}, "jobs", "succeeded", "failed",
//  "metrics": {NAME: {"unit", "n", "mean", "ci95"}}}]}. Metrics without a value are left out; ci95 is null for n = 1.
std::string AggregateJson(const v1::Experiment& experiment, const Aggregation& aggregation);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_RESULTS_AGGREGATE_OUTPUT_H_
