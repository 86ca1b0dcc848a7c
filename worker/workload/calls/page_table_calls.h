#ifndef DMFRAG_WORKER_WORKLOAD_CALLS_PAGE_TABLE_CALLS_H_
#define DMFRAG_WORKER_WORKLOAD_CALLS_PAGE_TABLE_CALLS_H_

#include <cstddef>
#include <span>
#include <vector>

#include "worker/model/kernel_release.h"
#include "worker/model/units.h"
#include "worker/workload/calls/user_call.h"

namespace dmfrag::workload {

// Write-protected page tables, as the series of 2021 had them (mainline has none): each table is read-only in the
// direct map while it is in use. No capture has them.

// The constructor of a table's page (pgtable_pte_page_ctor and its like).
UserCalls PageTableAllocate(model::FrameNumber table, model::KernelRelease release);

// Tables that one mmu_gather frees together. include/asm-generic/tlb.h MAX_TABLE_BATCH: what fits in a page beside the
// rcu_head and the count.
inline constexpr size_t kMaxTableBatch = (4096 - 24) / 8;

// tlb_remove_table: batches of at most kMaxTableBatch tables, each put back by its destructor, one call a page, before
// the batch is freed. Nothing is flushed: a read-only entry left in a TLB costs one spurious fault.
std::vector<UserCalls> PageTableFree(std::span<const model::FrameNumber> tables);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_CALLS_PAGE_TABLE_CALLS_H_
