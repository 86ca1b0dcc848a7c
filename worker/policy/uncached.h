#ifndef DMFRAG_WORKER_POLICY_UNCACHED_H_
#define DMFRAG_WORKER_POLICY_UNCACHED_H_

#include <optional>

#include "worker/model/machine.h"
#include "worker/policy/interface.h"

namespace dmfrag::policy {

// A block from the page allocator, for types that keep none. A caller that cannot sleep gets a page only if its entry
// is 4K already, since CPA may sleep at a split (review of the RFC of August 2021).
std::optional<CachedPage> AllocateUncached(model::Machine& machine, const PageRequest& request);

}  // namespace dmfrag::policy

#endif  // DMFRAG_WORKER_POLICY_UNCACHED_H_
