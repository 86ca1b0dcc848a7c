#include "client/replay/summary.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "client/format/csv.h"
#include "client/format/number.h"
#include "client/format/table.h"

namespace dmfrag::client {
namespace {

using Json = nlohmann::ordered_json;

// One of the counters that are compared.
struct Counter {
  const char* title;
  const char* name;
  std::optional<int64_t> (*value)(const v1::DirectMapCounters&);
};

// Those of DirectMapCounters, in its order.
constexpr std::array<Counter, 7> kCounters = {{
    {"DirectMap4k", "direct_map_4k_kib", [](const auto& c) { return std::optional(c.direct_map_4k_kib()); }},
    {"DirectMap2M", "direct_map_2m_kib", [](const auto& c) { return std::optional(c.direct_map_2m_kib()); }},
    {"DirectMap1G", "direct_map_1g_kib",
     [](const auto& c) { return c.has_direct_map_1g_kib() ? std::optional(c.direct_map_1g_kib()) : std::nullopt; }},
    {"2M splits", "level2_splits", [](const auto& c) { return std::optional(c.level2_splits()); }},
    {"1G splits", "level3_splits", [](const auto& c) { return std::optional(c.level3_splits()); }},
    {"2M collapses", "level2_collapses",
     [](const auto& c) { return c.has_level2_collapses() ? std::optional(c.level2_collapses()) : std::nullopt; }},
    {"1G collapses", "level3_collapses",
     [](const auto& c) { return c.has_level3_collapses() ? std::optional(c.level3_collapses()) : std::nullopt; }},
}};

std::string Text(std::optional<int64_t> value, const char* absent) {
  return value.has_value() ? absl::StrCat(*value) : absent;
}

// "260096" where prediction and measurement agree, "260096/260090" where not.
std::string PairText(const Counter& counter, const v1::ReplayStep& step) {
  const auto predicted = counter.value(step.predicted());
  const auto measured = counter.value(step.measured());
  if (predicted == measured) return Text(predicted, "-");
  return absl::StrCat(Text(predicted, "-"), "/", Text(measured, "-"));
}

const char* SourceText(v1::RequestSource source) {
  switch (source) {
    case v1::REQUEST_SOURCE_CPA_CALLS:
      return "cpa-calls";
    case v1::REQUEST_SOURCE_FRAMES:
      return "frames";
    default:
      return "none";
  }
}

// A counter that some measurement of the capture has.
bool IsCompared(const Counter& counter, const v1::ReplayReport& report) {
  return std::any_of(report.steps().begin(), report.steps().end(),
                     [&](const v1::ReplayStep& step) { return counter.value(step.measured()).has_value(); });
}

int64_t Sum(const std::vector<CaptureSummary>& summaries, int64_t (CaptureSummary::*figure)() const) {
  int64_t sum = 0;
  for (const CaptureSummary& summary : summaries) sum += (summary.*figure)();
  return sum;
}

int64_t Largest(const std::vector<CaptureSummary>& summaries) {
  int64_t largest = 0;
  for (const CaptureSummary& summary : summaries) largest = std::max(largest, summary.max_abs_difference());
  return largest;
}

Json OrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json CaptureJson(const CaptureSummary& summary) {
  const v1::ReplayReport& report = summary.report;
  return {{"capture", OrNull(report.capture_id())},
          {"file", summary.file},
          {"kernel", OrNull(report.kernel())},
          {"start_step", report.has_start_step() ? Json(report.start_step()) : Json(nullptr)},
          {"steps", summary.steps()},
          {"steps_with_change", summary.steps_with_change()},
          {"exact_steps", summary.exact_steps()},
          {"max_abs_difference", summary.max_abs_difference()},
          {"limitation", OrNull(report.limitation())},
          {"error", OrNull(summary.error)}};
}

}  // namespace

int64_t LargestDifference(const v1::ReplayStep& step) {
  int64_t largest = 0;
  for (const Counter& counter : kCounters) {
    const auto predicted = counter.value(step.predicted());
    const auto measured = counter.value(step.measured());
    if (predicted.has_value() && measured.has_value()) largest = std::max(largest, std::abs(*predicted - *measured));
  }
  return largest;
}

int64_t CaptureSummary::steps_with_change() const {
  return std::count_if(report.steps().begin(), report.steps().end(), [](const auto& step) { return step.changed(); });
}

int64_t CaptureSummary::exact_steps() const {
  return std::count_if(report.steps().begin(), report.steps().end(),
                       [](const auto& step) { return step.difference() == 0; });
}

int64_t CaptureSummary::max_abs_difference() const {
  int64_t largest = 0;
  for (const v1::ReplayStep& step : report.steps()) largest = std::max(largest, LargestDifference(step));
  return largest;
}

bool HasUnexplainedDifference(const std::vector<CaptureSummary>& summaries) {
  return std::any_of(summaries.begin(), summaries.end(), [](const CaptureSummary& summary) {
    return summary.report.limitation().empty() && summary.exact_steps() < summary.steps();
  });
}

bool HasError(const std::vector<CaptureSummary>& summaries) {
  return std::any_of(summaries.begin(), summaries.end(), [](const auto& summary) { return !summary.error.empty(); });
}

std::string StepTable(const CaptureSummary& summary, bool all_steps) {
  Table table;
  table.AddColumn("step", Table::Align::kRight);
  table.AddColumn("action", Table::Align::kLeft);
  table.AddColumn("source", Table::Align::kLeft);
  for (const Counter& counter : kCounters) {
    if (IsCompared(counter, summary.report)) table.AddColumn(counter.title, Table::Align::kRight);
  }
  table.AddColumn("difference", Table::Align::kRight);
  for (const v1::ReplayStep& step : summary.report.steps()) {
    // A difference is shown even where the kernel's counters did not move.
    if (!all_steps && !step.changed() && step.difference() == 0) continue;
    std::vector<Cell> cells = {{absl::StrCat(step.index())}, {Printable(step.action())}, {SourceText(step.source())}};
    for (const Counter& counter : kCounters) {
      if (IsCompared(counter, summary.report)) cells.push_back({PairText(counter, step)});
    }
    cells.push_back({absl::StrCat(step.difference())});
    table.AddRow(std::move(cells));
  }
  return table.Render(/*styled=*/false);
}

std::string CaptureTable(const std::vector<CaptureSummary>& summaries) {
  Table table;
  table.AddColumn("capture", Table::Align::kLeft);
  table.AddColumn("kernel", Table::Align::kLeft);
  for (const char* title : {"steps", "with change", "exact", "max |difference|"}) {
    table.AddColumn(title, Table::Align::kRight);
  }
  table.AddColumn("remark", Table::Align::kLeft);
  for (const CaptureSummary& summary : summaries) {
    const bool failed = !summary.error.empty();
    table.AddRow({{Printable(failed ? summary.file : summary.report.capture_id())},
                  {Printable(summary.report.kernel())},
                  {absl::StrCat(summary.steps())},
                  {absl::StrCat(summary.steps_with_change())},
                  {absl::StrCat(summary.exact_steps())},
                  {absl::StrCat(summary.max_abs_difference())},
                  {Printable(failed ? "error: " + summary.error : summary.report.limitation())}});
  }
  return table.Render(/*styled=*/false);
}

std::string TotalLine(const std::vector<CaptureSummary>& summaries) {
  return absl::StrCat(FormatCount(Sum(summaries, &CaptureSummary::steps)), " steps, ",
                      FormatCount(Sum(summaries, &CaptureSummary::steps_with_change)), " with change, ",
                      FormatCount(Sum(summaries, &CaptureSummary::exact_steps)), " exact, max |difference| ",
                      FormatCount(Largest(summaries)), "\n");
}

std::string SummaryJson(const std::vector<CaptureSummary>& summaries) {
  Json per_capture = Json::array();
  for (const CaptureSummary& summary : summaries) per_capture.push_back(CaptureJson(summary));
  const Json document = {{"captures", summaries.size()},
                         {"steps", Sum(summaries, &CaptureSummary::steps)},
                         {"steps_with_change", Sum(summaries, &CaptureSummary::steps_with_change)},
                         {"exact_steps", Sum(summaries, &CaptureSummary::exact_steps)},
                         {"max_abs_difference", Largest(summaries)},
                         {"per_capture", per_capture}};
  return document.dump(2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

std::string StepCsv(const std::vector<CaptureSummary>& summaries, bool all_steps) {
  std::vector<std::string> head = {"file", "capture", "kernel", "step", "action", "source", "requests"};
  for (const char* prefix : {"predicted_", "measured_"}) {
    for (const Counter& counter : kCounters) head.push_back(absl::StrCat(prefix, counter.name));
  }
  for (const char* name : {"difference", "changed", "error"}) head.push_back(name);
  std::string text = CsvRecord(head);
  for (const CaptureSummary& summary : summaries) {
    if (!summary.error.empty()) {
      std::vector<std::string> record(head.size());
      record.front() = summary.file;
      record.back() = summary.error;
      text += CsvRecord(record);
    }
    for (const v1::ReplayStep& step : summary.report.steps()) {
      if (!all_steps && !step.changed() && step.difference() == 0) continue;
      std::vector<std::string> record = {
          summary.file,  summary.report.capture_id(), summary.report.kernel(),      absl::StrCat(step.index()),
          step.action(), SourceText(step.source()),   absl::StrCat(step.requests())};
      for (const v1::DirectMapCounters* counters : {&step.predicted(), &step.measured()}) {
        for (const Counter& counter : kCounters) record.push_back(Text(counter.value(*counters), ""));
      }
      record.push_back(absl::StrCat(step.difference()));
      record.push_back(step.changed() ? "true" : "false");
      record.push_back("");
      text += CsvRecord(record);
    }
  }
  return text;
}

}  // namespace dmfrag::client
