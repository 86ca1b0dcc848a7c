#ifndef DMFRAG_WORKER_EXPERIMENT_CALL_RUNNER_H_
#define DMFRAG_WORKER_EXPERIMENT_CALL_RUNNER_H_

#include "worker/model/machine.h"
#include "worker/workload/calls/user_call.h"

namespace dmfrag::experiment {

// Carries out `calls` on `machine` in order, up to the first that finds no memory for a split. Events go to the
// machine's account.
model::CpaOutcome Perform(const workload::UserCalls& calls, model::Machine& machine);

// Carries out all of them, whatever the others came to, as code that frees does (mm/vmalloc.c vm_reset_perms). A call
// that finds no memory for a split leaves its page as it was.
void PerformAll(const workload::UserCalls& calls, model::Machine& machine);

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_CALL_RUNNER_H_
