#ifndef DMFRAG_WORKER_WORKLOAD_PAGE_CACHE_H_
#define DMFRAG_WORKER_WORKLOAD_PAGE_CACHE_H_

#include "worker/workload/distribution.h"
#include "worker/workload/object_traffic.h"

namespace dmfrag::workload {

// Files that are read: their pages stay until the kernel needs memory, and are then taken back, oldest first, those of
// files that were read again last. Fills a machine, and decides where memory becomes free on a full one.
//
// Source: mm/filemap.c (order-0 movable pages), mm/vmscan.c (inactive and active list).
struct PageCacheConfig {
  Distribution interval_us = {};  // from one file to the next
  Distribution size_pages = {};
  uint32_t read_again_percent = 0;  // 0 to 100: share of files on the active list
};

ObjectTraffic PageCacheTraffic(const PageCacheConfig& config);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_PAGE_CACHE_H_
