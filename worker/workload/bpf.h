#ifndef DMFRAG_WORKER_WORKLOAD_BPF_H_
#define DMFRAG_WORKER_WORKLOAD_BPF_H_

#include "worker/workload/distribution.h"
#include "worker/workload/object_traffic.h"

namespace dmfrag::workload {

// BPF programs, compiled: each is loaded, kept, and unloaded.
//
// Source: kernel/bpf/core.c. Up to 5.17 a program's image has pages of its own (bpf_jit_binary_alloc: vmalloc, order-0
// GFP_KERNEL), read-only and executable until vfree resets them; from 5.18 on it takes chunks of 64 bytes of a pack of
// 2M (bpf_prog_pack_alloc), single pages up to 6.18 and one 2M page on 7.3. Simplifications: an image's pages are one
// area; the program's struct, maps and buffers are no part of it (mix in ordinary users); a pack is 2M on any number of
// nodes.
struct BpfConfig {
  Distribution interval_us;
  Distribution size_pages;   // without packs
  Distribution image_bytes;  // with packs
  Distribution lifetime_us;
};

ObjectTraffic BpfTraffic(const BpfConfig& config);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_BPF_H_
