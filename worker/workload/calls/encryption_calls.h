#ifndef DMFRAG_WORKER_WORKLOAD_CALLS_ENCRYPTION_CALLS_H_
#define DMFRAG_WORKER_WORKLOAD_CALLS_ENCRYPTION_CALLS_H_

#include "worker/model/units.h"
#include "worker/workload/calls/user_call.h"

namespace dmfrag::workload {

// Confidential guests share memory with their host: arch/x86/mm/pat/set_memory.c __set_memory_enc_pgtable, every
// release. One change over the range, which keeps a whole 2M entry, between two flushes of the range by the caller.
// From the source; no capture has it. As of SEV with coherent caches: TDX leaves the first flush out on the way back
// (tdx_tlb_flush_required), and processors without SME_COHERENT flush the data caches before. What changes is bit 51 or
// 47 of an entry (SEV: clear when shared; TDX: set); EntryFlags::kShared stands for it.

UserCalls SetMemoryDecrypted(model::FrameRange frames);
UserCalls SetMemoryEncrypted(model::FrameRange frames);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_CALLS_ENCRYPTION_CALLS_H_
