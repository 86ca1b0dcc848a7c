#ifndef DMFRAG_WORKER_EXPERIMENT_REPLAY_H_
#define DMFRAG_WORKER_EXPERIMENT_REPLAY_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/model/attribute_changer.h"
#include "worker/model/direct_map.h"
#include "worker/model/direct_map_counters.h"
#include "worker/model/event_counters.h"
#include "worker/model/table_page_source.h"
#include "worker/workload/replay_input.h"

namespace dmfrag::experiment {

// Carries out the recorded requests of a capture on its starting direct map, step by step. It never sees a measured
// value after the start, and no frame of a page table: those are numbered by the source it is given. Thread-compatible.
class Predictor {
 public:
  // `tables` is asked for a page table at each split, and must outlive the predictor; null: an endless supply.
  // Errors: kInvalidArgument if the starting state makes no sense.
  static absl::StatusOr<std::unique_ptr<Predictor>> Create(const workload::ReplayInput& input,
                                                           model::TablePageSource* tables);
  Predictor(const Predictor&) = delete;
  Predictor& operator=(const Predictor&) = delete;

  // Carries out one call; returns how many requests it stands for.
  int64_t Apply(const workload::CpaCall& call);

  // The kernel's counters as they should be now; those the kernel does not have are absent.
  workload::KernelCounters counters() const;
  const model::DirectMap& direct_map() const { return map_; }
  // What happened since the start. Flushes are counted as far as CPA makes them; callers' own flushes are not recorded.
  const model::EventCounters& events() const { return events_; }

 private:
  // Page tables from nowhere in particular.
  class EndlessTables : public model::TablePageSource {
   public:
    std::optional<model::FrameNumber> TakeTable(model::MapLevel, model::FrameNumber) override {
      return model::DirectMap::kNoFrame;
    }
    void ReturnTable(model::FrameNumber) override {}
  };

  Predictor(const workload::ReplayInput& input, model::DirectMap map, model::TablePageSource* tables);

  const workload::KernelCounters start_;
  model::DirectMap map_;
  model::DirectMapCounters counters_;
  model::EventCounters events_;
  EndlessTables endless_;
  model::AttributeChanger changer_;
};

// The counters after one step.
struct Prediction {
  int32_t index = 0;
  std::string action;
  workload::RequestSource source = workload::RequestSource::kNone;
  int64_t requests = 0;
  workload::KernelCounters counters;
};

struct ReplayPrediction {
  std::vector<Prediction> steps;  // every step after the start
  model::EventCounters events;
};

// Predicts the counters after every step, from the input alone. Errors: kInvalidArgument as Predictor::Create.
absl::StatusOr<ReplayPrediction> Predict(const workload::ReplayInput& input);

// One predicted step beside its measurement.
struct ComparedStep {
  Prediction prediction;
  workload::KernelCounters measured;
  // Sum, and largest, of the absolute differences of the counters that both have.
  int64_t difference = 0;
  int64_t max_difference = 0;
  bool changed = false;  // a measured counter moved since the step measured before
};

// Pairs predictions with measurements; steps that were not measured are left out. `start` is the state before the
// first.
std::vector<ComparedStep> Compare(const ReplayPrediction& prediction, const workload::ReplayMeasured& measured,
                                  const workload::KernelCounters& start);

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_REPLAY_H_
