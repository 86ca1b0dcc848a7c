#include "client/results/aggregate.h"

#include <algorithm>
#include <string_view>

#include "client/results/metric_columns.h"

namespace dmfrag::client {
namespace {

bool IsCacheAxis(const v1::Axis& axis) { return axis.path() == "cache" || axis.path().starts_with("cache."); }

// Labels of the axes that are not the cache's: points with equal ones are compared.
std::vector<std::string> GroupOf(const v1::Experiment& experiment, const PointAggregate& point) {
  std::vector<std::string> group;
  for (int i = 0; i < experiment.axes_size() && i < static_cast<int>(point.axis_labels.size()); ++i) {
    if (!IsCacheAxis(experiment.axes(i))) group.push_back(point.axis_labels[i]);
  }
  return group;
}

std::string ShortName(const std::string& path) {
  std::string_view name = path;
  if (const size_t dot = name.rfind('.'); dot != std::string_view::npos) name.remove_prefix(dot + 1);
  for (const std::string_view suffix : {"_bytes", "_us", "_sha256"}) {
    if (name.ends_with(suffix)) name.remove_suffix(suffix.size());
  }
  return std::string(name);
}

}  // namespace

void Aggregation::Add(const v1::Result& result) {
  const std::vector<MetricColumn>& columns = MetricColumns();
  PointAggregate& point = points_[result.point()];
  if (point.jobs == 0) {
    point.point = result.point();
    point.axis_labels.assign(result.axis_labels().begin(), result.axis_labels().end());
    point.metrics.resize(columns.size());
  }
  ++point.jobs;
  if (result.state() == v1::JOB_STATE_FAILED) ++point.failed;
  if (result.state() != v1::JOB_STATE_SUCCEEDED) return;
  ++point.succeeded;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (const auto value = columns[i].value(result.result().metrics())) point.metrics[i].Add(*value);
  }
}

std::set<int64_t> BestPoints(const v1::Experiment& experiment, const Aggregation& aggregation,
                             const std::string& metric) {
  const size_t index = MetricIndex(metric);
  std::map<std::vector<std::string>, std::vector<const PointAggregate*>> groups;
  for (const auto& [number, point] : aggregation.points()) {
    if (point.metrics[index].size() > 0) groups[GroupOf(experiment, point)].push_back(&point);
  }
  std::set<int64_t> best;
  for (const auto& [labels, points] : groups) {
    const auto mean = [&](const PointAggregate* point) { return point->metrics[index].mean(); };
    const auto [lowest, highest] = std::minmax_element(points.begin(), points.end(),
                                                       [&](const auto* a, const auto* b) { return mean(a) < mean(b); });
    if (mean(*lowest) == mean(*highest)) continue;
    for (const PointAggregate* point : points) {
      if (mean(point) == mean(*lowest)) best.insert(point->point);
    }
  }
  return best;
}

std::vector<std::string> AxisTitles(const v1::Experiment& experiment) {
  std::map<std::string, int> uses;
  for (const v1::Axis& axis : experiment.axes()) ++uses[ShortName(axis.path())];
  std::vector<std::string> titles;
  for (const v1::Axis& axis : experiment.axes()) {
    const std::string name = ShortName(axis.path());
    titles.push_back(uses[name] > 1 ? axis.path() : name);
  }
  return titles;
}

}  // namespace dmfrag::client
