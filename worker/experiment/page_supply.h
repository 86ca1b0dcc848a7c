#ifndef DMFRAG_WORKER_EXPERIMENT_PAGE_SUPPLY_H_
#define DMFRAG_WORKER_EXPERIMENT_PAGE_SUPPLY_H_

#include "worker/model/machine.h"
#include "worker/model/memory_pressure.h"
#include "worker/model/units.h"
#include "worker/policy/interface.h"

namespace dmfrag::experiment {

// An ordinary block is freed: past the cache if that wants it.
void FreeOrdinary(model::FrameNumber block, model::Order order, model::Machine& machine, policy::CacheType& cache);

// A machine and its cache, and what the kernel does around an attempt to get memory: the cache's shrinker below its
// threshold before, and kswapd after one that met the low watermark. Borrows all three pointers; without a
// MemoryPressure nobody reclaims. Thread-compatible.
class PageSupply {
 public:
  PageSupply(model::Machine* machine, policy::CacheType* cache, model::MemoryPressure* pressure = nullptr)
      : machine_(machine), cache_(cache), pressure_(pressure) {}
  PageSupply(const PageSupply&) = delete;
  PageSupply& operator=(const PageSupply&) = delete;

  model::Machine& machine() { return *machine_; }
  policy::CacheType& cache() { return *cache_; }

  // What `attempt` returns.
  template <typename Attempt>
  auto Try(const Attempt& attempt) {
    ShrinkBelowThreshold();
    auto result = attempt();
    if (pressure_ != nullptr && pressure_->IsKswapdWoken()) pressure_->RunKswapd(/*cpu=*/0);
    return result;
  }

 private:
  void ShrinkBelowThreshold();

  model::Machine* machine_;
  policy::CacheType* cache_;
  model::MemoryPressure* pressure_;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_PAGE_SUPPLY_H_
