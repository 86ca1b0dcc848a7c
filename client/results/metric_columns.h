#ifndef DMFRAG_CLIENT_RESULTS_METRIC_COLUMNS_H_
#define DMFRAG_CLIENT_RESULTS_METRIC_COLUMNS_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "dmfrag/v1/job_result.pb.h"

namespace dmfrag::client {

// A figure of one job: a metric of the registry, or one derived from several.
struct MetricColumn {
  std::string name;
  std::string unit;
  // Derived for display: not stored, and not in raw output.
  bool derived = false;
  // Absent where the metric does not apply.
  std::function<std::optional<double>(const v1::Metrics&)> value;
};

// Every metric of the registry in its order, then the derived ones:
//   direct_map_4k_percent  share of the direct map in 4K pages at the end
//   flushes                flushes_all + flushes_range
const std::vector<MetricColumn>& MetricColumns();

// Index in MetricColumns(). REQUIRES: there is such a metric.
size_t MetricIndex(const std::string& name);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_RESULTS_METRIC_COLUMNS_H_
