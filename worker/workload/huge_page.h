#ifndef DMFRAG_WORKER_WORKLOAD_HUGE_PAGE_H_
#define DMFRAG_WORKER_WORKLOAD_HUGE_PAGE_H_

#include "worker/workload/distribution.h"
#include "worker/workload/object_traffic.h"

namespace dmfrag::workload {

// Transparent huge pages of programs.
//
// Source: mm/huge_memory.c do_huge_pmd_anonymous_page: order-9 blocks, GFP_TRANSHUGE, movable. Simplifications: a block
// is given back whole and never split (no madvise, no swap); where there is none the mapping stays short, instead of
// taking single pages; khugepaged makes none.
struct HugePageConfig {
  Distribution interval_us;
  Distribution size_allocations;
  Distribution lifetime_us;
};

ObjectTraffic HugePageTraffic(const HugePageConfig& config);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_HUGE_PAGE_H_
