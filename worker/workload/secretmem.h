#ifndef DMFRAG_WORKER_WORKLOAD_SECRETMEM_H_
#define DMFRAG_WORKER_WORKLOAD_SECRETMEM_H_

#include "worker/workload/distribution.h"
#include "worker/workload/object_traffic.h"

namespace dmfrag::workload {

// memfd_secret areas: each is created, touched page by page at once, kept, and closed.
//
// Source: mm/secretmem.c, secretmem_fault and secretmem_free_folio: order-0 pages, GFP_HIGHUSER, which is unmovable.
// Simplification: an area is touched in one moment.
struct SecretmemConfig {
  Distribution interval_us;
  Distribution size_pages;
  Distribution lifetime_us;
};

ObjectTraffic SecretmemTraffic(const SecretmemConfig& config);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_SECRETMEM_H_
