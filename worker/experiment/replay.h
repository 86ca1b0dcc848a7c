#ifndef DMFRAG_WORKER_EXPERIMENT_REPLAY_H_
#define DMFRAG_WORKER_EXPERIMENT_REPLAY_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/model/attribute_changer.h"
#include "worker/model/attribute_request.h"
#include "worker/model/cpa_observer.h"
#include "worker/model/direct_map.h"
#include "worker/model/direct_map_counters.h"
#include "worker/model/event_counters.h"
#include "worker/model/table_page_source.h"
#include "worker/workload/replay_input.h"

namespace dmfrag::experiment {

// The request that a single recorded call makes on the pages from `first` on.
model::AttributeRequest RequestOf(const workload::CpaCall& call, model::FrameNumber first);

// Carries out the recorded requests of a capture on its starting direct map, step by step. It never sees a measured
// value after the start, and no frame of a page table: those are numbered by the source it is given. Thread-compatible.
class Predictor : private model::CpaObserver {
 public:
  // `tables` is asked for a page table at each split, and must outlive the predictor; null: an endless supply.
  // Errors: kInvalidArgument if the starting state makes no sense.
  static absl::StatusOr<std::unique_ptr<Predictor>> Create(const workload::ReplayInput& input,
                                                           model::TablePageSource* tables);
  Predictor(const Predictor&) = delete;
  Predictor& operator=(const Predictor&) = delete;

  // Carries out the calls of a step. Returns how many requests they stand for.
  int64_t Apply(const workload::ReplayStep& step);

  // The kernel's counters as they should be now; those the kernel does not have are absent.
  workload::KernelCounters counters() const;
  const model::DirectMap& direct_map() const { return map_; }
  const model::DirectMapCounters& map_counters() const { return counters_; }
  // Splits and collapses of the last step, in order.
  const std::vector<workload::MapEvent>& map_events() const { return map_events_; }
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

  void OnRequest(const model::AttributeRequest&) override { ++requests_; }
  void OnSplit(model::MapLevel level, model::FrameNumber first) override;
  void OnCollapse(model::MapLevel level, model::FrameNumber first) override;

  const workload::KernelCounters start_;
  model::DirectMap map_;
  model::DirectMapCounters counters_;
  model::EventCounters events_;
  EndlessTables endless_;
  model::AttributeChanger changer_;
  int64_t requests_ = 0;  // of the step in work
  std::vector<workload::MapEvent> map_events_;
};

// The state after one step.
struct Prediction {
  int32_t index = 0;
  std::string action;
  workload::RequestSource source = workload::RequestSource::kNone;
  int64_t requests = 0;
  workload::KernelCounters counters;
  std::vector<workload::MapEvent> map_events;  // of the step
};

struct ReplayPrediction {
  std::vector<Prediction> steps;  // every step after the start
  model::EventCounters events;
};

// Looks at the predictor after a step, and changes nothing.
using StepVisitor = std::function<void(const workload::ReplayStep&, const Predictor&)>;

// Predicts the state after every step, from the input alone; `visit` may be empty. Errors: kInvalidArgument as
// Predictor::Create.
absl::StatusOr<ReplayPrediction> Predict(const workload::ReplayInput& input, const StepVisitor& visit = {});

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_REPLAY_H_
