#ifndef DMFRAG_WORKER_WORKLOAD_TRAMPOLINE_H_
#define DMFRAG_WORKER_WORKLOAD_TRAMPOLINE_H_

#include "worker/workload/distribution.h"
#include "worker/workload/object_traffic.h"

namespace dmfrag::workload {

// Trampolines of ftrace: each is written once, made read-only and executable, kept for a tracing session, and freed.
//
// Source: arch/x86/kernel/ftrace.c create_trampoline, from the source alone (no capture has one of several pages). Up
// to 6.16 it has pages of its own (module_alloc, execmem_alloc: vmalloc, order-0 GFP_KERNEL), reset by vfree; from 6.17
// on (commit 5d79c2be5081) they are a part of execmem's ROX cache, which is made writable and then read-only and
// executable again, at the start and at the end. Simplifications: kprobes' slots are taken for such trampolines, though
// from 6.17 on they are written by text_poke without any change of permissions (commit 36de1e4238c1), and many share a
// page; BPF's trampolines lie in its packs from 6.6 on, and are left to bpf.h.
struct TrampolineConfig {
  Distribution interval_us;
  Distribution size_pages;
  Distribution lifetime_us;
};

ObjectTraffic TrampolineTraffic(const TrampolineConfig& config);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_TRAMPOLINE_H_
