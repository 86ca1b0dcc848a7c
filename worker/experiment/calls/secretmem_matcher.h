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

  // Generates the calls of a step and takes those of the recorded ones that they are; counts them, and what was
  // generated in vain. Returns the other recorded calls, in order.
  std::vector<workload::DirectMapCall> Match(const workload::StepOperations& operations,
                                             const std::vector<workload::DirectMapCall>& recorded, CallTally& tally);
  // A step whose calls were not recorded. Frames of areas are kept for the step that frees them.
  void Skip(const workload::StepOperations& operations) { Generate(operations); }

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
    size_t equal = 0;
    size_t learned = 0;
  };

  // Pages of which it is known how many were touched and freed: faults are learned, each free is of a page that is out.
  static std::vector<workload::DirectMapCall> MatchChurn(const workload::StepOperations& operations,
                                                         const std::vector<workload::DirectMapCall>& recorded,
                                                         CallTally& tally);
  std::vector<Sequence> Generate(const workload::StepOperations& operations);
  void Expect(const workload::SecretOperation& operation, Sequence& sequence);
  // Whether the recorded call is the next of the sequence, or one up to `skip` calls after it.
  bool TakeFrom(Sequence& sequence, const workload::DirectMapCall& recorded, size_t skip);

  model::KernelRelease release_;
  std::map<std::string, Frames> areas_;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_CALLS_SECRETMEM_MATCHER_H_
