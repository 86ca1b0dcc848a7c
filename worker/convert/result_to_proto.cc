#include "worker/convert/result_to_proto.h"

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>

#include "third_party/abseil_extras/check.h"
#include "worker/convert/replay_result.h"
#include "worker/cost/range.h"
#include "worker/experiment/cost_account.h"

namespace dmfrag::convert {
namespace {

using experiment::RunResult;
using model::EventCounters;
using workload::KernelCounters;

// Sets the field of Metrics with this name.
void SetMetric(v1::Metrics& metrics, const std::string& name, int64_t value) {
  const auto* field = v1::Metrics::descriptor()->FindFieldByName(name);
  CHECK(field != nullptr);
  metrics.GetReflection()->SetInt64(&metrics, field, value);
}

void SetEvents(v1::Metrics& metrics, const EventCounters& events) {
  EventCounters::ForEach(events, [&](const char* name, int64_t value, bool) { SetMetric(metrics, name, value); });
}

// Calls visit(metric, value) for each metric of what a user's operations cost, or a run's.
template <typename Visitor>
void ForEachCost(const experiment::UserCost& cost, const Visitor& visit) {
  const cost::Range cycles = cost.cycles.Total();
  visit("predicted_cycles_low", cycles.low);
  visit("predicted_cycles", cycles.typical);
  visit("predicted_cycles_high", cycles.high);
  visit("zone_lock_cycles", cost.cycles.zone_lock.typical);
  if (cost.allocations.count() > 0) {
    visit("allocation_cycles_p50", cost.allocations.Quantile(500));
    visit("allocation_cycles_p99", cost.allocations.Quantile(990));
    visit("allocation_cycles_max", cost.allocations.max());
    visit("allocation_cycles_mean", cost.allocations.Mean());
  }
  if (cost.frees.count() > 0) {
    visit("free_cycles_p50", cost.frees.Quantile(500));
    visit("free_cycles_p99", cost.frees.Quantile(990));
    visit("free_cycles_max", cost.frees.max());
    visit("free_cycles_mean", cost.frees.Mean());
  }
  visit("flush_ipis_isolated", cost.isolated_interrupts);
}

// All that is spent for `cost.allocations.count()` allocations; absent without any.
std::optional<int64_t> CyclesPerAllocation(const experiment::UserCost& cost) {
  if (cost.allocations.count() == 0) return std::nullopt;
  return cost.cycles.Total().typical / cost.allocations.count();
}

void SetCost(const RunResult& run, v1::Metrics& metrics) {
  const experiment::RunCost& cost = *run.cost;
  experiment::UserCost of_permissions;
  for (size_t i = 0; i < run.users.size(); ++i) {
    if (run.users[i].uses_cache) of_permissions += cost.users[i];
  }
  const std::optional<int64_t> per_allocation = CyclesPerAllocation(of_permissions);
  if (per_allocation.has_value()) metrics.set_permission_cycles_per_allocation(*per_allocation);
  ForEachCost(cost.Total(), [&](const char* name, int64_t value) { SetMetric(metrics, name, value); });
  metrics.set_translation_ppm_low(cost.translation_ppm.low);
  metrics.set_translation_ppm(cost.translation_ppm.typical);
  metrics.set_translation_ppm_high(cost.translation_ppm.high);
  if (cost.translation_ppm_mean.has_value()) metrics.set_translation_ppm_mean(*cost.translation_ppm_mean);
}

void AddAttribution(v1::JobResult& result, const std::string& user, const std::string& cache, const std::string& metric,
                    int64_t value) {
  if (value == 0) return;
  v1::Attribution& row = *result.add_attributions();
  row.set_user(user);
  row.set_cache(cache);
  row.set_metric(metric);
  row.set_value(value);
}

// A user of permissions meets the cache in all it does; others only in what the cache does to them. Zeros are left out.
void AddAttributions(const RunResult& run, v1::JobResult& result) {
  for (size_t i = 0; i < run.users.size(); ++i) {
    const experiment::UserResult& user = run.users[i];
    const std::string own_cache = user.uses_cache ? run.cache_name : "";
    EventCounters::ForEach(user.events, [&](const char* name, int64_t value, bool of_cache) {
      AddAttribution(result, user.name, of_cache ? run.cache_name : own_cache, name, value);
    });
    if (run.cost.has_value()) {
      ForEachCost(run.cost->users[i],
                  [&](const char* name, int64_t value) { AddAttribution(result, user.name, own_cache, name, value); });
      const int64_t per_allocation = CyclesPerAllocation(run.cost->users[i]).value_or(0);
      if (user.uses_cache)
        AddAttribution(result, user.name, own_cache, "permission_cycles_per_allocation", per_allocation);
    }
    AddAttribution(result, user.name, own_cache, "live_pages", user.live_pages);
    AddAttribution(result, user.name, own_cache, "protected_pages", user.protected_pages);
  }
  const auto key = [](const v1::Attribution& row) { return std::tie(row.user(), row.cache(), row.metric()); };
  std::sort(result.mutable_attributions()->begin(), result.mutable_attributions()->end(),
            [&](const v1::Attribution& a, const v1::Attribution& b) { return key(a) < key(b); });
}

v1::TimeSeries Encode(const experiment::TimeSeries& samples, bool has_1g_pages) {
  v1::TimeSeries series;
  const auto add = [&](const char* metric, int64_t experiment::Sample::*value) {
    v1::Series& one = *series.add_series();
    one.set_metric(metric);
    for (const experiment::Sample& sample : samples) one.add_values(sample.*value);
  };
  for (const experiment::Sample& sample : samples) series.add_time_us(sample.time_us);
  add("splits_2m", &experiment::Sample::splits_2m);
  add("direct_map_4k_kib", &experiment::Sample::direct_map_4k_kib);
  add("direct_map_2m_kib", &experiment::Sample::direct_map_2m_kib);
  if (has_1g_pages) add("direct_map_1g_kib", &experiment::Sample::direct_map_1g_kib);
  add("held_pages", &experiment::Sample::held_pages);
  add("free_pages", &experiment::Sample::free_pages);
  add("unusable_free_2m_per_mille", &experiment::Sample::unusable_free_2m_per_mille);
  add("blocks_restored", &experiment::Sample::blocks_restored);
  add("shrunk_pages", &experiment::Sample::shrunk_pages);
  return series;
}

v1::TimeSeries EncodeSmall(experiment::TimeSeries samples, bool has_1g_pages) {
  for (;;) {
    v1::TimeSeries series = Encode(samples, has_1g_pages);
    if (series.ByteSizeLong() <= kMaxTimeSeriesBytes) return series;
    experiment::Coarsen(samples);
  }
}

void SetCounters(const KernelCounters& counters, v1::DirectMapCounters& proto) {
  proto.set_direct_map_4k_kib(counters.direct_map_4k_kib);
  proto.set_direct_map_2m_kib(counters.direct_map_2m_kib);
  if (counters.direct_map_1g_kib.has_value()) proto.set_direct_map_1g_kib(*counters.direct_map_1g_kib);
  proto.set_level2_splits(counters.level2_splits);
  proto.set_level3_splits(counters.level3_splits);
  if (counters.level2_collapses.has_value()) proto.set_level2_collapses(*counters.level2_collapses);
  if (counters.level3_collapses.has_value()) proto.set_level3_collapses(*counters.level3_collapses);
}

v1::RequestSource SourceFrom(workload::RequestSource source) {
  switch (source) {
    case workload::RequestSource::kNone:
      return v1::REQUEST_SOURCE_NONE;
    case workload::RequestSource::kCpaCalls:
      return v1::REQUEST_SOURCE_CPA_CALLS;
    case workload::RequestSource::kFrames:
      return v1::REQUEST_SOURCE_FRAMES;
  }
  return v1::REQUEST_SOURCE_UNSPECIFIED;
}

// What a replay predicts of the metrics of a run. Flushes and table pages are not among them: a capture records neither
// the callers' own flushes nor, for the predictor, the frames of page tables.
void SetReplayMetrics(const KernelCounters& last, const EventCounters& events, v1::Metrics& metrics) {
  metrics.set_splits_2m(events.splits_2m);
  metrics.set_splits_1g(events.splits_1g);
  metrics.set_collapses_2m(events.collapses_2m);
  metrics.set_collapses_1g(events.collapses_1g);
  metrics.set_direct_map_4k_kib(last.direct_map_4k_kib);
  metrics.set_direct_map_2m_kib(last.direct_map_2m_kib);
  if (last.direct_map_1g_kib.has_value()) metrics.set_direct_map_1g_kib(*last.direct_map_1g_kib);
  metrics.set_cpa_requests(events.cpa_requests);
  metrics.set_entries_written(events.entries_written);
}

v1::FlushComparison FlushesFrom(const experiment::ComparedStep& step, uint32_t cpus) {
  v1::FlushComparison proto;
  proto.set_user(experiment::StepUserName(step.flushes.user));
  v1::FlushCounts& predicted = *proto.mutable_predicted();
  predicted.set_flush_tlb_all(step.flushes.flushes.flush_tlb_all);
  predicted.set_flush_tlb_kernel_range(step.flushes.flushes.flush_tlb_kernel_range);
  if (cpus > 1) predicted.set_ipis_per_other_cpu_milli(1000 * step.flushes.flushes.InterruptsPerOtherCpu(cpus));
  if (!step.interrupts.has_value()) return proto;
  v1::FlushCounts& measured = *proto.mutable_measured();
  if (cpus > 1) measured.set_ipis_per_other_cpu_milli(1000 * step.interrupts->function_calls / (cpus - 1));
  if (!step.interrupts->flushes.has_value()) return proto;
  measured.set_flush_tlb_all(step.interrupts->flushes->flush_tlb_all);
  measured.set_flush_tlb_kernel_range(step.interrupts->flushes->flush_tlb_kernel_range);
  return proto;
}

v1::ReplayStep StepFrom(const experiment::ComparedStep& step, uint32_t cpus) {
  v1::ReplayStep proto;
  proto.set_index(step.prediction.index);
  proto.set_action(step.prediction.action);
  proto.set_source(SourceFrom(step.prediction.source));
  proto.set_requests(step.prediction.requests);
  SetCounters(step.prediction.counters, *proto.mutable_predicted());
  if (step.measured.has_value()) SetCounters(*step.measured, *proto.mutable_measured());
  proto.set_difference(step.difference);
  proto.set_changed(step.changed);
  for (const workload::MapEvent& event : step.prediction.map_events) {
    v1::MapEvent& event_proto = *proto.add_events();
    event_proto.set_request(static_cast<int32_t>(event.request));
    event_proto.set_level(static_cast<int32_t>(event.level));
    event_proto.set_pfn(static_cast<int64_t>(event.first.raw()));
    event_proto.set_collapse(event.collapse);
  }
  if (step.map_events.has_value()) {
    v1::MapEventComparison& events = *proto.mutable_event_comparison();
    events.set_recorded(step.map_events->recorded);
    events.set_in_place(step.map_events->in_place);
    events.set_unrecorded(step.map_events->unrecorded);
    events.set_as_set(step.map_events->as_set);
  }
  if (step.dump.has_value()) {
    proto.mutable_dump()->set_entries(step.dump->entries);
    proto.mutable_dump()->set_equal_entries(step.dump->equal_entries);
  }
  for (const experiment::CallComparison& row : step.calls) {
    v1::CallComparison& calls = *proto.add_calls();
    calls.set_user(std::string(experiment::NameOf(row.user)));
    calls.set_recorded(row.recorded);
    calls.set_generated(row.generated);
    calls.set_equal(row.equal);
    calls.set_learned(row.learned);
  }
  if (step.flushes.flushes != experiment::FlushCounts{} || step.interrupts.has_value()) {
    *proto.mutable_flushes() = FlushesFrom(step, cpus);
  }
  return proto;
}

}  // namespace

v1::JobResult ResultFromRun(const RunResult& run) {
  v1::JobResult result;
  result.set_outcome(run.outcome == experiment::RunOutcome::kCompleted ? v1::OUTCOME_COMPLETED
                                                                       : v1::OUTCOME_STOPPED_AT_LIMIT);
  v1::Metrics& metrics = *result.mutable_metrics();
  SetEvents(metrics, run.TotalEvents());
  metrics.set_direct_map_4k_kib(static_cast<int64_t>(run.direct_map.kib_4k()));
  metrics.set_direct_map_2m_kib(static_cast<int64_t>(run.direct_map.kib_2m()));
  if (run.has_1g_pages) metrics.set_direct_map_1g_kib(static_cast<int64_t>(run.direct_map.kib_1g()));
  metrics.set_held_pages(run.held_pages);
  metrics.set_held_pages_max(run.held_pages_max);
  metrics.set_live_pages(run.TotalLivePages());
  metrics.set_protected_pages(run.TotalProtectedPages());
  metrics.set_free_pages(run.free_pages);
  metrics.set_restorable_blocks(run.restorable_blocks);
  metrics.set_free_2m_blocks(run.free_2m_blocks);
  metrics.set_unusable_free_2m_per_mille(run.unusable_free_2m_per_mille);
  metrics.set_unusable_free_2m_start_per_mille(run.unusable_free_2m_start_per_mille);
  if (run.cost.has_value()) SetCost(run, metrics);
  AddAttributions(run, result);
  if (!run.series.empty()) *result.mutable_time_series() = EncodeSmall(run.series, run.has_1g_pages);
  return result;
}

v1::JobResult ResultFromReplay(const workload::ReplayInput& input, const experiment::ReplayComparison& comparison) {
  v1::JobResult result = ReplayResult(input, input.start_step);
  v1::ReplayReport& report = *result.mutable_replay();
  report.set_limitation(input.limitation);
  if (comparison.boot.has_value()) {
    v1::BootComparison& boot = *report.mutable_boot();
    SetCounters(comparison.boot->prediction.counters, *boot.mutable_predicted());
    if (comparison.boot->measured.has_value()) SetCounters(*comparison.boot->measured, *boot.mutable_measured());
    boot.set_difference(comparison.boot->difference);
    boot.set_limitation(comparison.boot->prediction.limitation);
  }
  int64_t compared = 0;
  int64_t exact = 0;
  int64_t changed = 0;
  int64_t largest = 0;
  for (const experiment::ComparedStep& step : comparison.steps) {
    *report.add_steps() = StepFrom(step, input.cpus);
    if (!step.measured.has_value()) continue;
    ++compared;
    exact += step.difference == 0 ? 1 : 0;
    changed += step.changed ? 1 : 0;
    largest = std::max(largest, step.max_difference);
  }
  v1::Metrics& metrics = *result.mutable_metrics();
  const KernelCounters& last =
      comparison.steps.empty() ? input.start_counters : comparison.steps.back().prediction.counters;
  SetReplayMetrics(last, comparison.events, metrics);
  metrics.set_replay_steps(compared);
  metrics.set_replay_steps_with_change(changed);
  metrics.set_replay_exact_steps(exact);
  metrics.set_replay_max_abs_difference(largest);
  return result;
}

}  // namespace dmfrag::convert
