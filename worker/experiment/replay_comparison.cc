#include "worker/experiment/replay_comparison.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "third_party/abseil_extras/status_macros.h"
#include "worker/experiment/calls/call_comparison.h"

namespace dmfrag::experiment {
namespace {

using model::FrameNumber;
using model::FrameRange;
using model::LeafRun;
using workload::KernelCounters;
using workload::MapEvent;
using workload::ReplayMeasured;

// Differences stop here, far from the end of 64 bits, whatever a damaged file claims to have measured.
constexpr int64_t kMaxDifference = int64_t{1} << 62;

int64_t AbsDifference(int64_t a, int64_t b) {
  const __int128 difference = static_cast<__int128>(a) - b;
  const __int128 size = difference < 0 ? -difference : difference;
  return size > kMaxDifference ? kMaxDifference : static_cast<int64_t>(size);
}

struct CounterDifference {
  int64_t sum = 0;
  int64_t largest = 0;
};

// Of the counters that both have.
CounterDifference CompareCounters(const KernelCounters& predicted, const KernelCounters& measured) {
  CounterDifference result;
  const auto add = [&](std::optional<int64_t> a, std::optional<int64_t> b) {
    if (!a.has_value() || !b.has_value()) return;
    const int64_t difference = AbsDifference(*a, *b);
    result.sum = std::min(result.sum, kMaxDifference - difference) + difference;
    result.largest = std::max(result.largest, difference);
  };
  add(predicted.direct_map_4k_kib, measured.direct_map_4k_kib);
  add(predicted.direct_map_2m_kib, measured.direct_map_2m_kib);
  add(predicted.direct_map_1g_kib, measured.direct_map_1g_kib);
  add(predicted.level2_splits, measured.level2_splits);
  add(predicted.level3_splits, measured.level3_splits);
  add(predicted.level2_collapses, measured.level2_collapses);
  add(predicted.level3_collapses, measured.level3_collapses);
  return result;
}

std::optional<BootComparison> CompareBoot(const workload::KernelCapture& capture) {
  if (!capture.input.boot.has_value()) return std::nullopt;
  BootComparison boot{.prediction = PredictBoot(*capture.input.boot), .measured = capture.measured.boot};
  if (boot.measured.has_value()) {
    boot.difference = CompareCounters(boot.prediction.counters, *boot.measured).sum;
  }
  return boot;
}

// The entries of `dump` that no range of `racing`, sorted by its first frame, touches.
std::vector<LeafRun> WithoutRacing(const std::vector<LeafRun>& dump, const std::vector<FrameRange>& racing) {
  if (racing.empty()) return dump;
  std::vector<LeafRun> still;
  for (const LeafRun& run : dump) {
    const model::FrameCount size = model::FramesOf(run.level);
    const FrameNumber end = run.first + run.frames;
    FrameNumber next = run.first;
    const auto add_up_to = [&](FrameNumber last) {
      if (next < last) still.push_back({next, last - next, run.level, run.flags});
    };
    for (const FrameRange& range : racing) {
      if (range.end <= next || end <= range.first) continue;
      add_up_to(range.first.AlignedDown(size));
      next = std::max(next, range.end.AlignedUp(size));
    }
    add_up_to(end);
  }
  return still;
}

std::vector<FrameRange> TouchedBy(const workload::ReplayStep& step) {
  std::vector<FrameRange> touched;
  for (const workload::CpaCall& call : step.calls) {
    for (uint64_t i = 0; i < call.count; ++i) {
      const auto offset = call.step * static_cast<int64_t>(i);
      const FrameNumber first(call.first.raw() + static_cast<uint64_t>(offset));
      touched.push_back({first, first + call.pages_each});
    }
  }
  return touched;
}

}  // namespace

MapEventComparison CompareMapEvents(const std::vector<MapEvent>& predicted, const std::vector<MapEvent>& recorded,
                                    bool as_set) {
  const auto sorted = [as_set](std::vector<MapEvent> events) {
    if (as_set) {
      for (MapEvent& event : events) event.request = 0;
    }
    std::sort(events.begin(), events.end());
    return events;
  };
  const std::vector<MapEvent> ours = sorted(predicted);
  const std::vector<MapEvent> theirs = sorted(recorded);
  std::vector<MapEvent> common;
  std::set_intersection(ours.begin(), ours.end(), theirs.begin(), theirs.end(), std::back_inserter(common));
  return {.recorded = static_cast<int32_t>(theirs.size()),
          .in_place = static_cast<int32_t>(common.size()),
          .unrecorded = static_cast<int32_t>(ours.size() - common.size()),
          .as_set = as_set};
}

DumpComparison CompareDump(const model::DirectMap& predicted, const std::vector<LeafRun>& dump,
                           std::vector<FrameRange> racing) {
  std::sort(racing.begin(), racing.end(), [](const FrameRange& a, const FrameRange& b) { return a.first < b.first; });
  const std::vector<LeafRun> still = WithoutRacing(dump, racing);
  DumpComparison result;
  for (const LeafRun& run : still) {
    result.entries += static_cast<int64_t>(run.frames.raw() / model::FramesOf(run.level).raw());
  }
  auto dumped = still.begin();
  predicted.ForEachRun([&](const LeafRun& run) {
    const FrameNumber end = run.first + run.frames;
    while (dumped != still.end() && dumped->first + dumped->frames <= run.first) ++dumped;
    for (auto it = dumped; it != still.end() && it->first < end; ++it) {
      if (it->level != run.level || it->flags != run.flags) continue;
      const FrameNumber first = std::max(run.first, it->first);
      const FrameNumber last = std::min(end, it->first + it->frames);
      result.equal_entries += static_cast<int64_t>((last - first).raw() / model::FramesOf(run.level).raw());
    }
  });
  return result;
}

absl::StatusOr<ReplayComparison> PredictAndCompare(const workload::KernelCapture& capture) {
  std::map<int32_t, const ReplayMeasured::Step*> measured;
  for (const ReplayMeasured::Step& step : capture.measured.steps) measured[step.index] = &step;
  std::map<int32_t, DumpComparison> dumps;
  ASSIGN_OR_RETURN(ReplayPrediction prediction,
                   Predict(capture.input, [&](const workload::ReplayStep& step, const Predictor& predictor) {
                     const auto found = measured.find(step.index);
                     if (found == measured.end() || !found->second->direct_map.has_value()) return;
                     dumps[step.index] =
                         CompareDump(predictor.direct_map(), *found->second->direct_map, TouchedBy(step));
                   }));
  ASSIGN_OR_RETURN(std::vector<FlushPrediction> flushes, PredictFlushes(capture.input));
  ASSIGN_OR_RETURN(const std::vector<CallComparison> calls, CompareCalls(capture.input));
  ReplayComparison comparison{.steps = {}, .events = prediction.events, .boot = CompareBoot(capture)};
  KernelCounters before = capture.input.start_counters;
  for (size_t i = 0; i < prediction.steps.size(); ++i) {
    ComparedStep& step = comparison.steps.emplace_back();
    step.prediction = std::move(prediction.steps[i]);
    step.flushes = std::move(flushes[i]);
    std::copy_if(calls.begin(), calls.end(), std::back_inserter(step.calls),
                 [&](const CallComparison& row) { return row.step == step.prediction.index; });
    const auto found = measured.find(step.prediction.index);
    if (found == measured.end()) continue;
    if (found->second->counters.has_value()) {
      step.measured = found->second->counters;
      step.changed = *step.measured != before;
      before = *step.measured;
      const CounterDifference difference = CompareCounters(step.prediction.counters, *step.measured);
      step.difference = difference.sum;
      step.max_difference = difference.largest;
    }
    step.interrupts = found->second->interrupts;
    if (found->second->events.has_value()) {
      step.map_events =
          CompareMapEvents(step.prediction.map_events, *found->second->events, found->second->several_cpus);
    }
    if (const auto dump = dumps.find(step.prediction.index); dump != dumps.end()) step.dump = dump->second;
  }
  return comparison;
}

}  // namespace dmfrag::experiment
