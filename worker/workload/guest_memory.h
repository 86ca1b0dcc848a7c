#ifndef DMFRAG_WORKER_WORKLOAD_GUEST_MEMORY_H_
#define DMFRAG_WORKER_WORKLOAD_GUEST_MEMORY_H_

#include "worker/workload/distribution.h"
#include "worker/workload/object_traffic.h"

namespace dmfrag::workload {

// Memory of virtual machines that is not in the host's direct map: a machine comes, touches its memory, and goes.
//
// Source: the series "Direct Map Removal Support for guest_memfd" (v9 to v11, 2026), virt/kvm/guest_memfd.c
// kvm_gmem_folio_zap_direct_map and kvm_gmem_free_folio: a page leaves the direct map when it is first mapped, after it
// was cleared, and is flushed everywhere (folio_zap_direct_map); it is put back, without a flush and without being
// cleared, when its folio is freed. The same two steps as secretmem's. Order-0 pages, GFP_HIGHUSER (unmovable).
// Simplification: a machine touches all its memory in one moment.
struct GuestMemoryConfig {
  Distribution interval_us;
  Distribution size_pages;
  Distribution lifetime_us;
};

ObjectTraffic GuestMemoryTraffic(const GuestMemoryConfig& config);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_GUEST_MEMORY_H_
