#include "client/replay/summary_json.h"

#include <map>
#include <nlohmann/json.hpp>

#include "client/replay/compared_counters.h"
#include "client/replay/json_text.h"

namespace dmfrag::client {
namespace {

using Json = nlohmann::ordered_json;

Json ToJson(const MapEventSums& sums) {
  return {{"recorded", sums.recorded}, {"in_place", sums.in_place}, {"unrecorded", sums.unrecorded}};
}

Json ToJson(const DumpSums& sums) {
  return {{"dumps", sums.dumps},
          {"equal_dumps", sums.equal_dumps},
          {"entries", sums.entries},
          {"equal_entries", sums.equal_entries}};
}

Json ToJson(const v1::DirectMapCounters& counters) {
  Json json = Json::object();
  for (const ComparedCounter& counter : kComparedCounters) {
    json[counter.name] = OrNull(counter.value(counters));
  }
  return json;
}

Json BootJson(const v1::ReplayReport& report) {
  if (!report.has_boot()) return nullptr;
  const v1::BootComparison& boot = report.boot();
  return {{"predicted", ToJson(boot.predicted())},
          {"measured", boot.has_measured() ? ToJson(boot.measured()) : Json(nullptr)},
          {"difference", boot.has_measured() ? Json(boot.difference()) : Json(nullptr)},
          {"limitation", OrNull(boot.limitation())}};
}

Json ToJson(const v1::FlushCounts& counts) {
  return {{"flush_tlb_all", counts.has_flush_tlb_all() ? Json(counts.flush_tlb_all()) : Json(nullptr)},
          {"flush_tlb_kernel_range",
           counts.has_flush_tlb_kernel_range() ? Json(counts.flush_tlb_kernel_range()) : Json(nullptr)},
          {"ipis_per_other_cpu", counts.has_ipis_per_other_cpu_milli()
                                     ? Json(static_cast<double>(counts.ipis_per_other_cpu_milli()) / 1000)
                                     : Json(nullptr)}};
}

// Sums of the steps that have flushes of the same user. A figure is absent where one step lacks it.
Json FlushesJson(const v1::ReplayReport& report) {
  const auto add = [](v1::FlushCounts& sum, const v1::FlushCounts& counts, bool first) {
    const auto add_one = [&](auto has, auto get, auto set, auto clear) {
      if (!(counts.*has)() || (!first && !(sum.*has)())) return (sum.*clear)();
      (sum.*set)((sum.*get)() + (counts.*get)());
    };
    using Counts = v1::FlushCounts;
    add_one(&Counts::has_flush_tlb_all, &Counts::flush_tlb_all, &Counts::set_flush_tlb_all,
            &Counts::clear_flush_tlb_all);
    add_one(&Counts::has_flush_tlb_kernel_range, &Counts::flush_tlb_kernel_range, &Counts::set_flush_tlb_kernel_range,
            &Counts::clear_flush_tlb_kernel_range);
    add_one(&Counts::has_ipis_per_other_cpu_milli, &Counts::ipis_per_other_cpu_milli,
            &Counts::set_ipis_per_other_cpu_milli, &Counts::clear_ipis_per_other_cpu_milli);
  };
  struct Sum {
    int64_t steps = 0;
    v1::FlushCounts predicted;
    v1::FlushCounts measured;
  };
  std::map<std::string, Sum> sums;
  for (const v1::ReplayStep& step : report.steps()) {
    if (!step.has_flushes()) continue;
    Sum& sum = sums[step.flushes().user()];
    add(sum.predicted, step.flushes().predicted(), sum.steps == 0);
    add(sum.measured, step.flushes().measured(), sum.steps == 0);
    ++sum.steps;
  }
  Json json = Json::array();
  for (const auto& [user, sum] : sums) {
    json.push_back({{"user", user},
                    {"steps", sum.steps},
                    {"predicted", ToJson(sum.predicted)},
                    {"measured", ToJson(sum.measured)}});
  }
  return json;
}

Json CallsJson(const std::map<std::string, CallSums>& sums) {
  Json json = Json::array();
  for (const auto& [user, sum] : sums) {
    json.push_back({{"user", user},
                    {"recorded", sum.recorded},
                    {"generated", sum.generated},
                    {"equal", sum.equal},
                    {"learned", sum.learned}});
  }
  return json;
}

Json PredictionsJson(const v1::ReplayReport& report) {
  Json json = Json::array();
  for (const v1::ReplayStep& step : report.steps()) {
    Json events = Json::array();
    for (const v1::MapEvent& event : step.events()) {
      events.push_back({{"request", event.request()},
                        {"event", event.collapse() ? "collapse" : "split"},
                        {"level", event.level() == 3 ? "1G" : "2M"},
                        {"pfn", event.pfn()}});
    }
    json.push_back({{"step", step.index()},
                    {"action", step.action()},
                    {"requests", step.requests()},
                    {"predicted", ToJson(step.predicted())},
                    {"measured", step.has_measured() ? ToJson(step.measured()) : Json(nullptr)},
                    {"changed", step.has_measured() ? Json(step.changed()) : Json(nullptr)},
                    {"difference", step.has_measured() ? Json(step.difference()) : Json(nullptr)},
                    {"map_events", events}});
  }
  return json;
}

Json CaptureJson(const CaptureSummary& summary) {
  const v1::ReplayReport& report = summary.report;
  return {{"capture", OrNull(report.capture_id())},
          {"file", summary.file},
          {"kernel", OrNull(report.kernel())},
          {"start_step", report.has_start_step() ? Json(report.start_step()) : Json(nullptr)},
          {"steps", summary.steps()},
          {"steps_with_change", summary.steps_with_change()},
          {"exact_steps", summary.exact_steps()},
          {"exact_steps_with_change", summary.exact_steps_with_change()},
          {"max_abs_difference", summary.max_abs_difference()},
          {"limitation", OrNull(report.limitation())},
          {"error", OrNull(summary.error)},
          {"map_events", ToJson(summary.map_events())},
          {"dumps", ToJson(summary.dumps())},
          {"boot", BootJson(report)},
          {"flushes", FlushesJson(report)},
          {"calls", CallsJson(summary.calls())},
          {"predictions", PredictionsJson(report)}};
}

}  // namespace

std::string SummaryJson(const std::vector<CaptureSummary>& summaries) {
  Json per_capture = Json::array();
  for (const CaptureSummary& summary : summaries) per_capture.push_back(CaptureJson(summary));
  const Totals totals = TotalsOf(summaries);
  const Json document = {{"captures", summaries.size()},
                         {"steps", totals.steps},
                         {"steps_with_change", totals.steps_with_change},
                         {"exact_steps", totals.exact_steps},
                         {"exact_steps_with_change", totals.exact_steps_with_change},
                         {"max_abs_difference", totals.max_abs_difference},
                         {"map_events", ToJson(totals.map_events)},
                         {"dumps", ToJson(totals.dumps)},
                         {"boot", {{"captures", totals.boot.captures}, {"exact", totals.boot.exact}}},
                         {"calls", CallsJson(totals.calls)},
                         {"per_capture", per_capture}};
  return TextOf(document);
}

}  // namespace dmfrag::client
