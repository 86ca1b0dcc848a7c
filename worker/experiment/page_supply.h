#ifndef DMFRAG_WORKER_EXPERIMENT_PAGE_SUPPLY_H_
#define DMFRAG_WORKER_EXPERIMENT_PAGE_SUPPLY_H_

#include <cstddef>
#include <vector>

#include "worker/model/machine.h"
#include "worker/model/units.h"
#include "worker/policy/interface.h"

namespace dmfrag::experiment {

// Who holds pages that the kernel may take back.
class Reclaimable {
 public:
  virtual ~Reclaimable() = default;
  // Frees up to `at_most` pages; returns how many.
  virtual model::FrameCount Reclaim(model::FrameCount at_most) = 0;
};

// A machine and its cache, and what the kernel does about short memory: the cache's shrinker, kswapd, and direct
// reclaim when an attempt has failed. Borrows both pointers. Thread-compatible.
class PageSupply {
 public:
  PageSupply(model::Machine* machine, policy::CacheType* cache) : machine_(machine), cache_(cache) {}
  PageSupply(const PageSupply&) = delete;
  PageSupply& operator=(const PageSupply&) = delete;

  model::Machine& machine() { return *machine_; }
  policy::CacheType& cache() { return *cache_; }

  // `holder` gives pages back from now on. It must outlive the last attempt.
  void AddReclaimable(Reclaimable* holder) { holders_.push_back(holder); }

  // What `attempt` returns, which is something that can be tested for success, after as many tries as there is memory
  // to be had in between.
  template <typename Attempt>
  auto Try(const Attempt& attempt) {
    Prepare();
    for (;;) {
      auto result = attempt();
      if (result || !Relieve()) return result;
    }
  }

  // An ordinary block is freed: past the cache if that wants it.
  void FreeOrdinary(model::FrameNumber block, model::Order order);

 private:
  // Before an allocation: the cache's threshold, and kswapd from the low watermark to the high one.
  void Prepare();
  // After one that failed; false: nothing was freed.
  bool Relieve();
  bool ReclaimBatch();

  model::Machine* machine_;
  policy::CacheType* cache_;
  std::vector<Reclaimable*> holders_;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_PAGE_SUPPLY_H_
