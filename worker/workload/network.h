#ifndef DMFRAG_WORKER_WORKLOAD_NETWORK_H_
#define DMFRAG_WORKER_WORKLOAD_NETWORK_H_

#include "worker/model/units.h"
#include "worker/workload/distribution.h"
#include "worker/workload/object_traffic.h"

namespace dmfrag::workload {

// Buffers of network traffic: page fragments, which live for moments.
//
// Source: net/core/sock.c skb_page_frag_refill: blocks of SKB_FRAG_PAGE_ORDER, unmovable. Simplification: where there
// is no such block the burst stays short, instead of taking single pages.
struct NetworkConfig {
  Distribution interval_us;
  model::Order order;
  Distribution size_allocations;
  Distribution lifetime_us;
};

ObjectTraffic NetworkTraffic(const NetworkConfig& config);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_NETWORK_H_
