#ifndef DMFRAG_WORKER_WORKLOAD_CALLS_BPF_CALLS_H_
#define DMFRAG_WORKER_WORKLOAD_CALLS_BPF_CALLS_H_

#include <cstdint>
#include <span>

#include "worker/model/kernel_release.h"
#include "worker/model/units.h"
#include "worker/workload/calls/user_call.h"

namespace dmfrag::workload {

// Memory of BPF programs (kernel/bpf/core.c). With the JIT on, programs share packs of 2M (bpf_prog_pack, 5.18), and
// loading or unloading one changes no permission.

// A pack's size and what a program's is rounded up to (BPF_PROG_PACK_SIZE, BPF_PROG_CHUNK_SIZE).
inline constexpr uint64_t kBpfPackBytes = uint64_t{1} << 21;
inline constexpr uint64_t kBpfPackChunkBytes = 64;

// bpf_jit_binary_lock_ro of 5.17 and before: a compiled program's own pages, read-only and then executable. They are
// freed by VfreeWithPermissionReset (bpf_jit_binary_free). From the source; no capture is of such a kernel, but modules
// of 6.1 make the same two calls.
UserCalls BpfImageLockRo(model::VirtualRange image, model::KernelRelease release);

// bpf_prog_alloc's own page, made read-only when the JIT is off (bpf_prog_lock_ro). It is freed by
// VfreeWithPermissionReset (bpf_prog_unlock_free).
UserCalls BpfProgramLockRo(model::VirtualRange program, model::KernelRelease release);

// alloc_new_pack: a pack of 512 pages, read-only and executable in one request. Up to 6.18 the pages are 512 single
// ones, so that the direct map is asked 512 times; on 7.3 they are one block of the ROX cache, and it is asked once.
UserCalls BpfPackAllocate(model::VirtualRange pack, model::KernelRelease release);

// Whether a pack is a block of execmem's ROX cache, and one 2M page.
bool IsBpfPackInRoxCache(model::KernelRelease release);

// The last program of a pack is gone (bpf_prog_pack_free). `frames` are those of the pack, by address: 512 of them. If
// the pack is in the ROX cache, that gives it back to the allocator (ExecmemCleanRuns).
UserCalls BpfPackFree(model::VirtualRange pack, std::span<const model::FrameNumber> frames,
                      model::KernelRelease release);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_CALLS_BPF_CALLS_H_
