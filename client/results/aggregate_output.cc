#include "client/results/aggregate_output.h"

#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/format/csv.h"
#include "client/format/number.h"
#include "client/format/table.h"
#include "client/results/metric_columns.h"

namespace dmfrag::client {
namespace {

// The figure that decides which point is marked.
constexpr std::string_view kHeadline = "splits_2m";

struct TableColumn {
  std::string_view metric;
  const char* title;
  const char* unit_suffix;
  bool is_cost = false;  // shown only if a processor was given
};
constexpr std::array<TableColumn, 7> kTableColumns = {{{kHeadline, "splits 2M", ""},
                                                       {"splits_1g", "splits 1G", ""},
                                                       {"direct_map_4k_percent", "DirectMap4k", " %"},
                                                       {"flushes", "flushes", ""},
                                                       {"held_pages", "held pages", ""},
                                                       {"predicted_cycles", "cycles", "", /*is_cost=*/true},
                                                       {"translation_ppm", "TLB ppm", "", /*is_cost=*/true}}};

std::vector<TableColumn> ColumnsFor(const Aggregation& aggregation) {
  bool has_cost = false;
  for (const auto& [number, point] : aggregation.points()) {
    has_cost = has_cost || point.metrics[MetricIndex("predicted_cycles")].size() > 0;
  }
  std::vector<TableColumn> columns;
  for (const TableColumn& column : kTableColumns) {
    if (has_cost || !column.is_cost) columns.push_back(column);
  }
  return columns;
}

std::string JobsText(const PointAggregate& point) {
  if (point.succeeded == point.jobs) return absl::StrCat(point.jobs);
  std::string text = absl::StrCat(point.succeeded, "/", point.jobs);
  if (point.failed > 0) absl::StrAppend(&text, " (", point.failed, " failed)");
  return text;
}

std::string HeadLine(const v1::Experiment& experiment) {
  const v1::JobCounts& counts = experiment.counts();
  return absl::StrCat(experiment.name(), " ", Printable(experiment.display_name()), ": ", experiment.points(),
                      experiment.points() == 1 ? " point, " : " points, ", counts.total(), " jobs, ",
                      counts.succeeded(), " succeeded (", counts.cached(), " of them cached), ", counts.failed(),
                      " failed", counts.cancelled() > 0 ? absl::StrCat(", ", counts.cancelled(), " cancelled") : "",
                      "\n");
}

std::string Legend(bool styled, bool any_best, bool has_cost) {
  std::string legend =
      "mean ± half-width of the 95 % confidence interval (Student t) over replicates; DirectMap4k: share of the direct "
      "map\n"
      "in 4K pages at the end; flushes: whole and range; held pages: 4K pages idle in caches at the end";
  if (has_cost) {
    absl::StrAppend(&legend,
                    "\ncycles: predicted, of all CPUs, typical; TLB ppm: predicted share of cycles that address "
                    "translation adds; both\nrest on guesses: their low and high ends are in -o json");
  }
  if (any_best) {
    absl::StrAppend(&legend, "\n", styled ? "bold" : "*", ": fewest 2M splits among points that differ in cache");
  }
  return legend + "\n";
}

}  // namespace

std::string AggregateTable(const v1::Experiment& experiment, const Aggregation& aggregation, bool styled) {
  const std::set<int64_t> best = BestPoints(experiment, aggregation, std::string(kHeadline));
  Table table;
  for (const std::string& title : AxisTitles(experiment)) table.AddColumn(title, Table::Align::kLeft);
  table.AddColumn("jobs", Table::Align::kRight);
  const std::vector<TableColumn> columns = ColumnsFor(aggregation);
  for (const TableColumn& column : columns) table.AddColumn(column.title, Table::Align::kRight);
  for (const auto& [number, point] : aggregation.points()) {
    std::vector<Cell> cells;
    for (int i = 0; i < experiment.axes_size(); ++i) {
      const bool known = i < static_cast<int>(point.axis_labels.size());
      cells.push_back({known ? Printable(point.axis_labels[i]) : "?"});
    }
    cells.push_back({JobsText(point)});
    for (const TableColumn& column : columns) {
      const Sample& sample = point.metrics[MetricIndex(std::string(column.metric))];
      const bool mark = column.metric == kHeadline && best.contains(number);
      cells.push_back({FormatMean(sample) + (sample.size() > 0 ? column.unit_suffix : ""), mark});
    }
    table.AddRow(std::move(cells));
  }
  return HeadLine(experiment) + "\n" + table.Render(styled) + "\n" +
         Legend(styled, !best.empty(), columns.back().is_cost);
}

std::string AggregateCsv(const v1::Experiment& experiment, const Aggregation& aggregation) {
  std::vector<std::string> head = {"point"};
  for (const std::string& title : AxisTitles(experiment)) head.push_back(title);
  for (const char* name : {"jobs", "succeeded", "failed"}) head.push_back(name);
  for (const MetricColumn& column : MetricColumns()) {
    for (const char* suffix : {"_n", "_mean", "_ci95"}) head.push_back(column.name + suffix);
  }
  std::string text = CsvRecord(head);
  for (const auto& [number, point] : aggregation.points()) {
    std::vector<std::string> record = {absl::StrCat(number)};
    record.insert(record.end(), point.axis_labels.begin(), point.axis_labels.end());
    for (const int64_t count : {point.jobs, point.succeeded, point.failed}) record.push_back(absl::StrCat(count));
    for (const Sample& sample : point.metrics) {
      const std::optional<double> half_width = sample.HalfWidth95();
      record.push_back(absl::StrCat(sample.size()));
      record.push_back(sample.size() > 0 ? FormatExact(sample.mean()) : "");
      record.push_back(half_width.has_value() ? FormatExact(*half_width) : "");
    }
    text += CsvRecord(record);
  }
  return text;
}

std::string AggregateJson(const v1::Experiment& experiment, const Aggregation& aggregation) {
  using Json = nlohmann::ordered_json;
  const std::vector<std::string> titles = AxisTitles(experiment);
  const std::vector<MetricColumn>& columns = MetricColumns();
  Json points = Json::array();
  for (const auto& [number, point] : aggregation.points()) {
    Json axes = Json::object();
    for (size_t i = 0; i < titles.size() && i < point.axis_labels.size(); ++i) axes[titles[i]] = point.axis_labels[i];
    Json metrics = Json::object();
    for (size_t i = 0; i < columns.size(); ++i) {
      const Sample& sample = point.metrics[i];
      if (sample.size() == 0) continue;
      const std::optional<double> half_width = sample.HalfWidth95();
      metrics[columns[i].name] = {{"unit", columns[i].unit},
                                  {"n", sample.size()},
                                  {"mean", sample.mean()},
                                  {"ci95", half_width.has_value() ? Json(*half_width) : Json(nullptr)}};
    }
    points.push_back({{"point", number},
                      {"axes", axes},
                      {"jobs", point.jobs},
                      {"succeeded", point.succeeded},
                      {"failed", point.failed},
                      {"metrics", metrics}});
  }
  const Json document = {{"experiment", experiment.name()},
                         {"display_name", experiment.display_name()},
                         {"axes", titles},
                         {"points", points}};
  return document.dump(2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

}  // namespace dmfrag::client
