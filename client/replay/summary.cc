#include "client/replay/summary.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "client/format/csv.h"
#include "client/format/number.h"
#include "client/format/table.h"
#include "client/replay/compared_counters.h"

namespace dmfrag::client {
namespace {

std::string Text(std::optional<int64_t> value, const char* absent) {
  return value.has_value() ? absl::StrCat(*value) : absent;
}

// "260096" where prediction and measurement agree, "260096/260090" where not.
std::string PairText(const ComparedCounter& counter, const v1::ReplayStep& step) {
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
bool IsCompared(const ComparedCounter& counter, const v1::ReplayReport& report) {
  return std::any_of(report.steps().begin(), report.steps().end(),
                     [&](const v1::ReplayStep& step) { return counter.value(step.measured()).has_value(); });
}

template <typename Predicate>
int64_t CountSteps(const v1::ReplayReport& report, const Predicate& predicate) {
  return std::count_if(report.steps().begin(), report.steps().end(),
                       [&](const v1::ReplayStep& step) { return step.has_measured() && predicate(step); });
}

}  // namespace

int64_t LargestDifference(const v1::ReplayStep& step) {
  int64_t largest = 0;
  for (const ComparedCounter& counter : kComparedCounters) {
    const auto predicted = counter.value(step.predicted());
    const auto measured = counter.value(step.measured());
    if (predicted.has_value() && measured.has_value()) largest = std::max(largest, std::abs(*predicted - *measured));
  }
  return largest;
}

int64_t CaptureSummary::steps() const {
  return CountSteps(report, [](const v1::ReplayStep&) { return true; });
}

int64_t CaptureSummary::steps_with_change() const {
  return CountSteps(report, [](const v1::ReplayStep& step) { return step.changed(); });
}

int64_t CaptureSummary::exact_steps() const {
  return CountSteps(report, [](const v1::ReplayStep& step) { return step.difference() == 0; });
}

int64_t CaptureSummary::exact_steps_with_change() const {
  return CountSteps(report, [](const v1::ReplayStep& step) { return step.changed() && step.difference() == 0; });
}

MapEventSums CaptureSummary::map_events() const {
  MapEventSums sums;
  for (const v1::ReplayStep& step : report.steps()) {
    if (!step.has_event_comparison()) continue;
    sums.recorded += step.event_comparison().recorded();
    sums.in_place += step.event_comparison().in_place();
    sums.unrecorded += step.event_comparison().unrecorded();
  }
  return sums;
}

DumpSums CaptureSummary::dumps() const {
  DumpSums sums;
  for (const v1::ReplayStep& step : report.steps()) {
    if (!step.has_dump()) continue;
    ++sums.dumps;
    sums.equal_dumps += step.dump().entries() == step.dump().equal_entries() ? 1 : 0;
    sums.entries += step.dump().entries();
    sums.equal_entries += step.dump().equal_entries();
  }
  return sums;
}

BootSums CaptureSummary::boot() const {
  if (!report.boot().has_measured()) return {};
  return {.captures = 1, .exact = report.boot().difference() == 0 ? 1 : 0};
}

std::map<std::string, CallSums> CaptureSummary::calls() const {
  std::map<std::string, CallSums> sums;
  for (const v1::ReplayStep& step : report.steps()) {
    for (const v1::CallComparison& calls : step.calls()) {
      CallSums& sum = sums[calls.user()];
      sum.recorded += calls.recorded();
      sum.generated += calls.generated();
      sum.equal += calls.equal();
      sum.learned += calls.learned();
    }
  }
  return sums;
}

int64_t CaptureSummary::max_abs_difference() const {
  int64_t largest = 0;
  for (const v1::ReplayStep& step : report.steps()) {
    if (step.has_measured()) largest = std::max(largest, LargestDifference(step));
  }
  return largest;
}

bool HasUnexplainedDifference(const std::vector<CaptureSummary>& summaries) {
  return std::any_of(summaries.begin(), summaries.end(), [](const CaptureSummary& summary) {
    const MapEventSums events = summary.map_events();
    return summary.report.limitation().empty() &&
           (summary.exact_steps() < summary.steps() || events.in_place < events.recorded || events.unrecorded > 0);
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
  for (const ComparedCounter& counter : kComparedCounters) {
    if (IsCompared(counter, summary.report)) table.AddColumn(counter.title, Table::Align::kRight);
  }
  table.AddColumn("difference", Table::Align::kRight);
  for (const v1::ReplayStep& step : summary.report.steps()) {
    // A difference is shown even where the kernel's counters did not move.
    if (!step.has_measured() || (!all_steps && !step.changed() && step.difference() == 0)) continue;
    std::vector<Cell> cells = {{absl::StrCat(step.index())}, {Printable(step.action())}, {SourceText(step.source())}};
    for (const ComparedCounter& counter : kComparedCounters) {
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
  for (const char* title : {"steps", "exact", "with change", "exact", "max |difference|", "splits", "dumps"}) {
    table.AddColumn(title, Table::Align::kRight);
  }
  table.AddColumn("remark", Table::Align::kLeft);
  for (const CaptureSummary& summary : summaries) {
    const bool failed = !summary.error.empty();
    table.AddRow({{Printable(failed ? summary.file : summary.report.capture_id())},
                  {Printable(summary.report.kernel())},
                  {absl::StrCat(summary.steps())},
                  {absl::StrCat(summary.exact_steps())},
                  {absl::StrCat(summary.steps_with_change())},
                  {absl::StrCat(summary.exact_steps_with_change())},
                  {absl::StrCat(summary.max_abs_difference())},
                  {absl::StrCat(summary.map_events().in_place, "/", summary.map_events().recorded)},
                  {absl::StrCat(summary.dumps().equal_dumps, "/", summary.dumps().dumps)},
                  {Printable(failed ? "error: " + summary.error : summary.report.limitation())}});
  }
  return table.Render(/*styled=*/false);
}

Totals TotalsOf(const std::vector<CaptureSummary>& summaries) {
  Totals totals;
  for (const CaptureSummary& summary : summaries) {
    totals.steps += summary.steps();
    totals.steps_with_change += summary.steps_with_change();
    totals.exact_steps += summary.exact_steps();
    totals.exact_steps_with_change += summary.exact_steps_with_change();
    totals.max_abs_difference = std::max(totals.max_abs_difference, summary.max_abs_difference());
    const MapEventSums events = summary.map_events();
    totals.map_events.recorded += events.recorded;
    totals.map_events.in_place += events.in_place;
    totals.map_events.unrecorded += events.unrecorded;
    const DumpSums dumps = summary.dumps();
    totals.dumps.dumps += dumps.dumps;
    totals.dumps.equal_dumps += dumps.equal_dumps;
    totals.dumps.entries += dumps.entries;
    totals.dumps.equal_entries += dumps.equal_entries;
    totals.boot.captures += summary.boot().captures;
    totals.boot.exact += summary.boot().exact;
    for (const auto& [user, calls] : summary.calls()) {
      CallSums& sum = totals.calls[user];
      sum.recorded += calls.recorded;
      sum.generated += calls.generated;
      sum.equal += calls.equal;
      sum.learned += calls.learned;
    }
  }
  return totals;
}

std::string TotalText(const std::vector<CaptureSummary>& summaries) {
  const Totals totals = TotalsOf(summaries);
  std::string text =
      absl::StrCat(FormatCount(totals.steps), " steps, ", FormatCount(totals.exact_steps), " exact; ",
                   FormatCount(totals.steps_with_change), " with change, ", FormatCount(totals.exact_steps_with_change),
                   " exact; max |difference| ", FormatCount(totals.max_abs_difference), "\n");
  if (totals.map_events.recorded + totals.map_events.unrecorded > 0) {
    absl::StrAppend(&text, FormatCount(totals.map_events.recorded), " splits and collapses recorded, ",
                    FormatCount(totals.map_events.in_place), " predicted at their request and entry, ",
                    FormatCount(totals.map_events.unrecorded), " predicted beside them\n");
  }
  if (totals.dumps.dumps > 0) {
    absl::StrAppend(&text, FormatCount(totals.dumps.dumps), " dumps, ", FormatCount(totals.dumps.equal_dumps),
                    " equal in every entry; ", FormatCount(totals.dumps.entries), " entries, ",
                    FormatCount(totals.dumps.equal_entries), " equal\n");
  }
  if (totals.boot.captures > 0) {
    absl::StrAppend(&text, "counters at boot of ", FormatCount(totals.boot.captures), " machines, ",
                    FormatCount(totals.boot.exact), " exact\n");
  }
  for (const auto& [user, calls] : totals.calls) {
    absl::StrAppend(&text, "calls of ", user, ": ", FormatCount(calls.recorded), " recorded, ",
                    FormatCount(calls.generated), " generated, ", FormatCount(calls.equal), " equal in their place, ",
                    FormatCount(calls.learned), " but for frames seen there first\n");
  }
  return text;
}

std::string StepCsv(const std::vector<CaptureSummary>& summaries, bool all_steps) {
  std::vector<std::string> head = {"file", "capture", "kernel", "step", "action", "source", "requests"};
  for (const char* prefix : {"predicted_", "measured_"}) {
    for (const ComparedCounter& counter : kComparedCounters) head.push_back(absl::StrCat(prefix, counter.name));
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
      if (!step.has_measured() || (!all_steps && !step.changed() && step.difference() == 0)) continue;
      std::vector<std::string> record = {
          summary.file,  summary.report.capture_id(), summary.report.kernel(),      absl::StrCat(step.index()),
          step.action(), SourceText(step.source()),   absl::StrCat(step.requests())};
      for (const v1::DirectMapCounters* counters : {&step.predicted(), &step.measured()}) {
        for (const ComparedCounter& counter : kComparedCounters) record.push_back(Text(counter.value(*counters), ""));
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
