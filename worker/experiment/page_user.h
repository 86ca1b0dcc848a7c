#ifndef DMFRAG_WORKER_EXPERIMENT_PAGE_USER_H_
#define DMFRAG_WORKER_EXPERIMENT_PAGE_USER_H_

#include <memory>

#include "worker/experiment/pack_pool.h"
#include "worker/experiment/page_supply.h"
#include "worker/experiment/page_user_interface.h"
#include "worker/workload/object_traffic.h"

namespace dmfrag::experiment {

// The user that makes the objects of `traffic`. Borrows both pointers; the users of a run share them.
std::unique_ptr<PageUser> MakePageUser(const workload::ObjectTraffic& traffic, PageSupply* supply, PackPools* packs);

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_PAGE_USER_H_
