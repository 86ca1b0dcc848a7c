#include "worker/experiment/call_runner.h"

#include <variant>

namespace dmfrag::experiment {
namespace {

struct Performer {
  model::Machine& machine;

  model::CpaOutcome operator()(const workload::DirectMapCall& call) const { return machine.Change(call.request); }
  model::CpaOutcome operator()(const model::VirtualAttributeRequest& request) const { return machine.Change(request); }
  model::CpaOutcome operator()(const workload::KernelRangeFlush& flush) const {
    machine.FlushTlbKernelRange(flush.pages);
    return model::CpaOutcome::kDone;
  }
};

}  // namespace

model::CpaOutcome Perform(const workload::UserCalls& calls, model::Machine& machine) {
  for (const workload::UserCall& call : calls) {
    if (std::visit(Performer{machine}, call) != model::CpaOutcome::kDone) return model::CpaOutcome::kNoMemory;
  }
  return model::CpaOutcome::kDone;
}

void PerformAll(const workload::UserCalls& calls, model::Machine& machine) {
  for (const workload::UserCall& call : calls) std::visit(Performer{machine}, call);
}

}  // namespace dmfrag::experiment
