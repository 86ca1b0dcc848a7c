#ifndef DMFRAG_WORKER_EXPERIMENT_CALLS_SECRETMEM_MATCHER_H_
#define DMFRAG_WORKER_EXPERIMENT_CALLS_SECRETMEM_MATCHER_H_

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "worker/experiment/calls/call_tally.h"
#include "worker/model/kernel_release.h"
#include "worker/model/units.h"
#include "worker/workload/calls/user_call.h"
#include "worker/workload/step_operations.h"

namespace dmfrag::experiment {

// The calls of memfd_secret areas, generated from which frames were touched, and from which areas were freed: one
// sequence for all areas of a step, or one for each if threads touched them at the same time. Frames that a capture
// does not know are learned from the call in their place. Thread-compatible.
class SecretmemMatcher {
 public:
  explicit SecretmemMatcher(model::KernelRelease release) : release_(release) {}

  // Generates the calls of a step. Frames of areas are kept for the step that frees them.
  void BeginStep(const workload::StepOperations& operations);
  // Whether the recorded call is a generated one; if so, it is counted.
  bool Take(const workload::DirectMapCall& recorded, CallTally& tally);
  // Counts what was generated and not recorded.
  void EndStep(CallTally& tally);

 private:
  using Frames = std::vector<std::optional<model::FrameNumber>>;
  struct Expected {
    std::optional<workload::DirectMapCall> call;  // nullopt: a fault of a frame that is not known
    std::string area;
    size_t page = 0;
  };
  // What one thread does, in order.
  struct Sequence {
    std::vector<Expected> calls;
    size_t next = 0;
    size_t matched = 0;
  };

  void Expect(const workload::SecretOperation& operation, Sequence& sequence);
  bool TakeFrom(Sequence& sequence, const workload::DirectMapCall& recorded, CallTally& tally);

  model::KernelRelease release_;
  std::map<std::string, Frames> areas_;
  int32_t step_ = 0;
  std::vector<Sequence> sequences_;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_CALLS_SECRETMEM_MATCHER_H_
