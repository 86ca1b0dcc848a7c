#ifndef DMFRAG_WORKER_EXPERIMENT_USER_MACHINE_H_
#define DMFRAG_WORKER_EXPERIMENT_USER_MACHINE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "worker/experiment/pack_pool.h"
#include "worker/experiment/page_supply.h"
#include "worker/experiment/page_user.h"
#include "worker/model/cpa_observer.h"
#include "worker/model/event_counters.h"
#include "worker/model/machine.h"
#include "worker/policy/none.h"
#include "worker/workload/object_traffic.h"

namespace dmfrag::experiment {

// For tests: a machine of 2 processors without a cache, on which one user makes and ends objects as the driver lets it,
// and what came of it.
class UserMachine final : private model::CpaObserver {
 public:
  UserMachine(model::KernelRelease release, const model::MemoryMap& memory, const workload::ObjectTraffic& traffic);

  // False: it found no memory, and was given up.
  bool Make(uint64_t object, uint64_t pages);
  void End(uint64_t object);
  const std::vector<model::FrameNumber>& pages(uint64_t object) { return blocks_[object]; }

  // Uses up memory but for `pages`, which are scattered.
  void FillBut(uint64_t pages);

  // Everything is as before the first object, but for the page tables of splits: no page is in use, none is read-only
  // or not present.
  void ExpectNothingIsLeft() const;
  uint64_t FreePages() const;
  uint64_t PagesWithout(model::EntryFlags flags) const;

  model::Machine& machine() { return *machine_; }
  const PageUser& user() const { return *user_; }
  const model::EventCounters& events() const { return events_; }
  // Requests on direct-map addresses, those included that follow from requests elsewhere.
  const std::vector<model::AttributeRequest>& requests() const { return requests_; }

 private:
  void OnRequest(const model::AttributeRequest& request) override { requests_.push_back(request); }
  void OnSplit(model::MapLevel, model::FrameNumber) override {}
  void OnCollapse(model::MapLevel, model::FrameNumber) override {}

  model::EventCounters events_;
  std::vector<model::AttributeRequest> requests_;
  std::unique_ptr<model::Machine> machine_;
  policy::NoneCache none_;
  PageSupply supply_;
  PackPools packs_;
  std::unique_ptr<PageUser> user_;
  std::map<uint64_t, std::vector<model::FrameNumber>> blocks_;
  uint64_t free_at_first_ = 0;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_USER_MACHINE_H_
