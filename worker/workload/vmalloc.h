#ifndef DMFRAG_WORKER_WORKLOAD_VMALLOC_H_
#define DMFRAG_WORKER_WORKLOAD_VMALLOC_H_

#include "worker/workload/distribution.h"
#include "worker/workload/object_traffic.h"

namespace dmfrag::workload {

// vmalloc areas that are made read-only, such as a BPF program without the JIT: each is filled, kept, and freed.
//
// Source: kernel/bpf/core.c bpf_prog_lock_ro (set_memory_ro), mm/vmalloc.c vm_reset_perms (vfree of an area with
// VM_FLUSH_RESET_PERMS): order-0 GFP_KERNEL pages, which are unmovable. Simplification: an area is freed at once, where
// the kernel's lazy free may come later.
struct VmallocConfig {
  Distribution interval_us;
  Distribution size_pages;
  Distribution lifetime_us;
};

ObjectTraffic VmallocTraffic(const VmallocConfig& config);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_VMALLOC_H_
