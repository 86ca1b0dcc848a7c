#ifndef DMFRAG_WORKER_EXPERIMENT_PAGE_USER_H_
#define DMFRAG_WORKER_EXPERIMENT_PAGE_USER_H_

#include <optional>

#include "worker/model/machine.h"
#include "worker/model/units.h"
#include "worker/policy/interface.h"
#include "worker/workload/operation.h"

// The kernel calls a user makes around one allocation and one free, for each kind of protection. A user of permissions
// gets its pages through the cache; ordinary traffic goes to the page allocator, and its frees past the cache.
namespace dmfrag::experiment {

// One allocation of `operation`, with its permission set; nullopt: no memory, nothing kept.
std::optional<model::FrameNumber> AllocateFor(const workload::Operation& operation, model::Machine& machine,
                                              policy::CacheType& cache);

// Puts the permission back and frees what AllocateFor gave.
void FreeFor(const workload::Operation& operation, model::FrameNumber block, model::Machine& machine,
             policy::CacheType& cache);

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_PAGE_USER_H_
