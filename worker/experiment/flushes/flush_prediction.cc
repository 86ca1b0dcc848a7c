#include "worker/experiment/flushes/flush_prediction.h"

#include <charconv>
#include <memory>
#include <utility>

#include "third_party/abseil_extras/status_macros.h"
#include "worker/experiment/flushes/alias_flushes.h"
#include "worker/experiment/flushes/freed_areas.h"
#include "worker/experiment/replay.h"
#include "worker/model/cpa_rules.h"
#include "worker/model/event_counters.h"
#include "worker/model/tlb_flushes.h"

namespace dmfrag::experiment {
namespace {

using model::EventCounters;
using workload::CpaCall;

int64_t SplitsOf(const EventCounters& events) { return events.splits_2m + events.splits_1g; }
int64_t CollapsesOf(const EventCounters& events) { return events.collapses_2m + events.collapses_1g; }

// "ebpf NAME COUNT ...".
int64_t ProgramsOf(const std::string& action) {
  const size_t name = action.find(' ');
  const size_t count = name == std::string::npos ? name : action.find(' ', name + 1);
  if (count == std::string::npos) return 0;
  int64_t programs = 0;
  std::from_chars(action.data() + count + 1, action.data() + action.size(), programs);
  return programs;
}

class Walk {
 public:
  Walk(const workload::ReplayInput& input, std::unique_ptr<Predictor> predictor)
      : areas_(input), aliases_(model::CpaRules::Of(input.release), &areas_), predictor_(std::move(predictor)) {
    alone_.calls.resize(1);
  }

  FlushPrediction Next(const workload::ReplayStep& step) {
    FlushPrediction predicted;
    predicted.index = step.index;
    predicted.action = step.action;
    predicted.user = UserOfAction(step.action);
    FlushCounts& flushes = predicted.flushes;

    const int64_t splits = SplitsOf(events());
    for (const CpaCall& call : step.calls) Carry(call, predicted.user, flushes);
    flushes.flush_tlb_all += SplitsOf(events()) - splits;

    const FreedAreas::StepCalls& calls = areas_.steps()[steps_++];
    const AliasFlushes of_aliases = aliases_.TakeStep();
    flushes.flush_tlb_all += of_aliases.flush_tlb_all;
    flushes.cpa_ranges += of_aliases.cpa_ranges;
    flushes.flush_tlb_kernel_range += calls.faults + calls.areas_freed + of_aliases.flush_tlb_kernel_range;
    predicted.cache_splits = of_aliases.cache_splits;
    predicted.cache_collapses = of_aliases.cache_collapses;
    predicted.operations = Operations(predicted, calls, of_aliases);
    return predicted;
  }

 private:
  const EventCounters& events() const { return predictor_->events(); }

  void Carry(const CpaCall& call, StepUser user, FlushCounts& flushes) {
    for (uint64_t i = 0; i < call.count; ++i, ++position_) {
      const CpaCall single = call.Single(i);
      const EventCounters before = events();
      alone_.calls[0] = single;
      predictor_->Apply(alone_);
      if (call.op == CpaCall::Op::kSetDirectMapInvalid) continue;
      if (call.op == CpaCall::Op::kSetDirectMapDefault) {
        aliases_.PageFreed(single.first);
        if (const auto area = areas_.AreaFreedAt(position_)) aliases_.AreaFreed(*area);
        continue;
      }
      const bool changed = events().entries_written > before.entries_written;
      if (user == StepUser::kDirectCall) {
        const bool collapsed = CollapsesOf(events()) > CollapsesOf(before);
        DirectCall(single.pages_each, changed, collapsed, flushes);
      } else {
        aliases_.Observe(single, position_, changed);
      }
    }
  }

  // set_memory_* on the direct map itself, where no other alias is touched.
  static void DirectCall(model::FrameCount pages, bool changed, bool collapsed, FlushCounts& flushes) {
    if (changed) {
      ++(pages > model::TlbFlushes::kSinglePageCeiling ? flushes.flush_tlb_all : flushes.cpa_ranges);
    }
    if (collapsed) ++flushes.flush_tlb_all;
  }

  static int64_t Operations(const FlushPrediction& predicted, const FreedAreas::StepCalls& calls,
                            const AliasFlushes& of_aliases) {
    switch (predicted.user) {
      case StepUser::kSecretFault:
      case StepUser::kSecretFaults:
      case StepUser::kSecretChurn:
        return calls.faults;
      case StepUser::kFree:
        return calls.frees;
      case StepUser::kBpfLoad:
        return ProgramsOf(predicted.action);
      case StepUser::kModuleLoad:
        return of_aliases.modules_loaded;
      case StepUser::kModuleUnload:
        return calls.areas_freed;
      case StepUser::kDirectCall:
      case StepUser::kOther:
        return 0;
    }
    return 0;
  }

  const FreedAreas areas_;
  AliasFlushCounter aliases_;
  const std::unique_ptr<Predictor> predictor_;
  workload::ReplayStep alone_;  // of one request, to see what it changes
  uint64_t position_ = 0;
  size_t steps_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<FlushPrediction>> PredictFlushes(const workload::ReplayInput& input) {
  ASSIGN_OR_RETURN(std::unique_ptr<Predictor> predictor, Predictor::Create(input, nullptr));
  Walk walk(input, std::move(predictor));
  std::vector<FlushPrediction> predictions;
  predictions.reserve(input.steps.size());
  for (const workload::ReplayStep& step : input.steps) predictions.push_back(walk.Next(step));
  return predictions;
}

}  // namespace dmfrag::experiment
