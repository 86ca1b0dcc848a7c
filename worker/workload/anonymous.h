#ifndef DMFRAG_WORKER_WORKLOAD_ANONYMOUS_H_
#define DMFRAG_WORKER_WORKLOAD_ANONYMOUS_H_

#include "worker/workload/distribution.h"
#include "worker/workload/object_traffic.h"

namespace dmfrag::workload {

// Anonymous memory of programs: each mapping is touched at once, kept, and unmapped.
//
// Source: mm/memory.c do_anonymous_page: order-0 pages, GFP_HIGHUSER_MOVABLE. Simplifications: there is no swap; a
// mapping is touched and given back in one moment; larger folios are the kind huge_page.
struct AnonymousConfig {
  Distribution interval_us;
  Distribution size_pages;
  Distribution lifetime_us;
};

ObjectTraffic AnonymousTraffic(const AnonymousConfig& config);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_ANONYMOUS_H_
