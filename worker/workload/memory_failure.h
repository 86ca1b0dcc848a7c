#ifndef DMFRAG_WORKER_WORKLOAD_MEMORY_FAILURE_H_
#define DMFRAG_WORKER_WORKLOAD_MEMORY_FAILURE_H_

#include "worker/workload/distribution.h"
#include "worker/workload/object_traffic.h"

namespace dmfrag::workload {

// Pages that hardware has reported broken: each is taken out of the direct map, for as long as the machine runs.
//
// Source: mm/memory-failure.c memory_failure, arch/x86/mm/pat/set_memory.c set_mce_nospec. Simplification: what breaks
// is the page that the page allocator gives next, as if it broke while it was free; no cache has a say in it.
struct MemoryFailureConfig {
  Distribution interval_us;
  Distribution size_pages;
  Distribution lifetime_us;
};

ObjectTraffic MemoryFailureTraffic(const MemoryFailureConfig& config);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_MEMORY_FAILURE_H_
