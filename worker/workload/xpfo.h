#ifndef DMFRAG_WORKER_WORKLOAD_XPFO_H_
#define DMFRAG_WORKER_WORKLOAD_XPFO_H_

#include "worker/workload/distribution.h"
#include "worker/workload/object_traffic.h"

namespace dmfrag::workload {

// Memory of programs under exclusive page frame ownership: pieces that a program gets, keeps, and gives back.
//
// Source: XPFO v9 (mainline has none), mm/xpfo.c xpfo_alloc_pages, xpfo_free_pages. Order-0 pages,
// GFP_HIGHUSER_MOVABLE, cleared for the program before they leave the direct map. Simplifications: the kernel never
// maps a live page for a moment (xpfo_kmap), so that compaction leaves it where it is; a piece is touched in one
// moment.
struct XpfoConfig {
  Distribution interval_us;
  Distribution size_pages;
  Distribution lifetime_us;
};

ObjectTraffic XpfoTraffic(const XpfoConfig& config);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_XPFO_H_
