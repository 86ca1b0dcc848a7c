#include "worker/experiment/replay.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/model/boot_mapping.h"

namespace dmfrag::experiment {
namespace {

using model::EntryFlags;
using workload::CpaCall;
using workload::KernelCounters;

constexpr EntryFlags kPresentWritable(EntryFlags::kPresent | EntryFlags::kWritable);
// Flushes interrupt other processors; which there were plays no part in what is predicted.
constexpr uint32_t kCpus = 1;

absl::StatusOr<model::DirectMap> StartMap(const workload::ReplayInput& input) {
  if (input.start_step.has_value()) return model::DirectMap::FromRuns(input.start_runs);
  if (input.boot.has_value()) return model::PredictBootMapping(*input.boot).map;
  return model::DirectMap::Boot(input.memory, input.mapping, EntryFlags::PageKernel());
}

absl::Status CheckStart(const KernelCounters& start) {
  const bool whole = start.direct_map_4k_kib % 4 == 0 && start.direct_map_2m_kib % 2048 == 0 &&
                     start.direct_map_1g_kib.value_or(0) % (1 << 20) == 0;
  const std::array<int64_t, 7> values = {start.direct_map_4k_kib,
                                         start.direct_map_2m_kib,
                                         start.direct_map_1g_kib.value_or(0),
                                         start.level2_splits,
                                         start.level3_splits,
                                         start.level2_collapses.value_or(0),
                                         start.level3_collapses.value_or(0)};
  if (whole && std::all_of(values.begin(), values.end(), [](int64_t value) { return value >= 0; })) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "capture, starting counters: a DirectMap line is no whole number of pages, or a counter is negative; the file is "
      "damaged");
}

}  // namespace

model::AttributeRequest RequestOf(const CpaCall& call, model::FrameNumber first) {
  model::AttributeRequest request;
  request.range = {first, first + call.pages_each};
  switch (call.op) {
    case CpaCall::Op::kSetDirectMapInvalid:
      request.clear = kPresentWritable;
      request.flush = false;
      break;
    case CpaCall::Op::kSetDirectMapDefault:
      request.set = kPresentWritable;
      request.flush = false;
      break;
    case CpaCall::Op::kChange:
    case CpaCall::Op::kForce4K:
    case CpaCall::Op::kRox:
      request.set = call.set;
      request.clear = call.clear;
      request.force_4k = call.op == CpaCall::Op::kForce4K;
      request.collapse = call.op == CpaCall::Op::kRox;
      break;
  }
  return request;
}

absl::StatusOr<std::unique_ptr<Predictor>> Predictor::Create(const workload::ReplayInput& input,
                                                             model::TablePageSource* tables) {
  RETURN_IF_ERROR(CheckStart(input.start_counters));
  ASSIGN_OR_RETURN(model::DirectMap map, StartMap(input));
  return std::unique_ptr<Predictor>(new Predictor(input, std::move(map), tables));
}

Predictor::Predictor(const workload::ReplayInput& input, model::DirectMap map, model::TablePageSource* tables)
    : start_(input.start_counters),
      map_(std::move(map)),
      changer_(&map_, &counters_, tables == nullptr ? &endless_ : tables, model::TlbFlushes(kCpus),
               model::CpaRules::Of(input.release)) {
  counters_.pages_4k = static_cast<uint64_t>(start_.direct_map_4k_kib) / 4;
  counters_.pages_2m = static_cast<uint64_t>(start_.direct_map_2m_kib) >> 11;
  counters_.pages_1g = static_cast<uint64_t>(start_.direct_map_1g_kib.value_or(0)) >> 20;
  counters_.level2_splits = static_cast<uint64_t>(start_.level2_splits);
  counters_.level3_splits = static_cast<uint64_t>(start_.level3_splits);
  counters_.level2_collapses = static_cast<uint64_t>(start_.level2_collapses.value_or(0));
  counters_.level3_collapses = static_cast<uint64_t>(start_.level3_collapses.value_or(0));
}

int64_t Predictor::Apply(const workload::ReplayStep& step) {
  requests_ = 0;
  map_events_.clear();
  changer_.Observe(this);
  for (const CpaCall& call : step.calls) {
    for (uint64_t i = 0; i < call.count; ++i) {
      const auto offset = call.step * static_cast<int64_t>(i);
      const model::FrameNumber first(call.first.raw() + static_cast<uint64_t>(offset));
      changer_.Change(RequestOf(call, first), events_);
    }
  }
  return requests_;
}

void Predictor::OnSplit(model::MapLevel level, model::FrameNumber first) {
  map_events_.push_back({requests_ - 1, level, first, /*collapse=*/false});
}

void Predictor::OnCollapse(model::MapLevel level, model::FrameNumber first) {
  map_events_.push_back({requests_ - 1, level, first, /*collapse=*/true});
}

KernelCounters Predictor::counters() const {
  KernelCounters counters;
  counters.direct_map_4k_kib = static_cast<int64_t>(counters_.kib_4k());
  counters.direct_map_2m_kib = static_cast<int64_t>(counters_.kib_2m());
  if (start_.direct_map_1g_kib.has_value()) counters.direct_map_1g_kib = static_cast<int64_t>(counters_.kib_1g());
  counters.level2_splits = static_cast<int64_t>(counters_.level2_splits);
  counters.level3_splits = static_cast<int64_t>(counters_.level3_splits);
  if (start_.level2_collapses.has_value()) counters.level2_collapses = static_cast<int64_t>(counters_.level2_collapses);
  if (start_.level3_collapses.has_value()) counters.level3_collapses = static_cast<int64_t>(counters_.level3_collapses);
  return counters;
}

absl::StatusOr<ReplayPrediction> Predict(const workload::ReplayInput& input, const StepVisitor& visit) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Predictor> predictor, Predictor::Create(input, nullptr));
  ReplayPrediction prediction;
  for (const workload::ReplayStep& step : input.steps) {
    Prediction predicted;
    predicted.index = step.index;
    predicted.action = step.action;
    predicted.source = step.source;
    predicted.requests = predictor->Apply(step);
    predicted.counters = predictor->counters();
    predicted.map_events = predictor->map_events();
    prediction.steps.push_back(std::move(predicted));
    if (visit) visit(step, *predictor);
  }
  prediction.events = predictor->events();
  return prediction;
}

}  // namespace dmfrag::experiment
