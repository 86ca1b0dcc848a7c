#ifndef DMFRAG_CLIENT_RESULTS_AGGREGATE_H_
#define DMFRAG_CLIENT_RESULTS_AGGREGATE_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "client/statistics/sample.h"
#include "dmfrag/v1/experiments.pb.h"
#include "dmfrag/v1/results.pb.h"

namespace dmfrag::client {

// One point of a sweep over its replicates.
struct PointAggregate {
  int64_t point = 0;
  // One per axis.
  std::vector<std::string> axis_labels;
  int64_t jobs = 0;
  int64_t succeeded = 0;
  int64_t failed = 0;
  // One per MetricColumns(), of the jobs that succeeded and have the metric.
  std::vector<Sample> metrics;
};

// Aggregates results as they come: its memory grows with points, not with jobs. Thread-compatible.
class Aggregation {
 public:
  void Add(const v1::Result& result);

  // By point.
  const std::map<int64_t, PointAggregate>& points() const { return points_; }

 private:
  std::map<int64_t, PointAggregate> points_;
};

// The points with the lowest mean of `metric` among those that differ in the axes of the cache alone. None where there
// is nothing to compare, or all are equal.
std::set<int64_t> BestPoints(const v1::Experiment& experiment, const Aggregation& aggregation,
                             const std::string& metric);

// What a column for this axis is called: the field's name without the suffix of its unit ("memory"), or the whole path
// where two axes would share it.
std::vector<std::string> AxisTitles(const v1::Experiment& experiment);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_RESULTS_AGGREGATE_H_
