#ifndef DMFRAG_WORKER_WORKLOAD_PAGE_TABLES_H_
#define DMFRAG_WORKER_WORKLOAD_PAGE_TABLES_H_

#include "worker/workload/distribution.h"
#include "worker/workload/object_traffic.h"

namespace dmfrag::workload {

// Page tables of processes, write-protected: a process gets its tables at fork and exec, and gives them back at exit.
//
// Source: the protection of page tables of 2021 (mainline has none): each table is read-only in the direct map from its
// constructor (pgtable_pte_page_ctor) to its destructor; mm/mmu_gather.c frees tables in batches of MAX_TABLE_BATCH,
// after their destructors. Order-0 pages, GFP_PGTABLE_USER: unmovable and zeroed. Simplifications: a process gets all
// its tables at once; no write to a table changes its permission for a moment; the PGD is a single page.
struct PageTablesConfig {
  Distribution interval_us;
  Distribution size_pages;
  Distribution lifetime_us;
};

ObjectTraffic PageTablesTraffic(const PageTablesConfig& config);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_PAGE_TABLES_H_
