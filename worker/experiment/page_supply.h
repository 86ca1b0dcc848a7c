#ifndef DMFRAG_WORKER_EXPERIMENT_PAGE_SUPPLY_H_
#define DMFRAG_WORKER_EXPERIMENT_PAGE_SUPPLY_H_

#include <optional>
#include <span>

#include "worker/model/kernel_release.h"
#include "worker/model/machine.h"
#include "worker/model/memory_pressure.h"
#include "worker/model/migratetype.h"
#include "worker/model/units.h"
#include "worker/policy/interface.h"
#include "worker/workload/calls/user_call.h"

namespace dmfrag::experiment {

// An ordinary block is freed: past the cache if that wants it.
void FreeOrdinary(model::FrameNumber block, model::Order order, model::Machine& machine, policy::CacheType& cache);

// A machine and its cache as one user meets them, and what the kernel does around an attempt to get memory: the cache's
// shrinker below its threshold before, and kswapd after one that met the low watermark. Borrows all three pointers;
// without a MemoryPressure nobody reclaims. Thread-compatible.
class PageSupply {
 public:
  PageSupply(model::Machine* machine, policy::CacheType* cache, model::MemoryPressure* pressure = nullptr,
             const policy::CacheUser& user = {})
      : machine_(machine), cache_(cache), pressure_(pressure), user_(user), shrink_below_(cache->shrink_below()) {}
  PageSupply(const PageSupply&) = delete;
  PageSupply& operator=(const PageSupply&) = delete;

  model::Machine& machine() { return *machine_; }
  policy::CacheType& cache() { return *cache_; }
  // Whose code caches are in force: the kernel's, or those of the cache type.
  model::KernelRelease code_release() const { return cache_->code_release().value_or(machine_->cpa_release()); }

  // A block of the cache, or of the page allocator where the cache has none of that order; nullopt: no memory.
  std::optional<policy::CachedPage> Get(model::Order order, model::Migratetype type, bool can_sleep = true);
  // Takes it back, as its user left it.
  void Give(model::FrameNumber block, model::Order order);

  // What is left to do of a user's calls on blocks of `order`, the way its pages come, and are to go back.
  // `is_mapped_elsewhere`: the kernel has another mapping of the pages.
  workload::UserCalls CallsToSet(workload::UserCalls calls, model::Order order, policy::PageState state,
                                 bool is_mapped_elsewhere) const;
  workload::UserCalls CallsToReset(workload::UserCalls calls, model::Order order,
                                   std::span<const model::FrameNumber> frames, bool is_mapped_elsewhere) const;
  // Calls on vmalloc areas whose pages may come from here and there: those that are not present stay so.
  workload::UserCalls CallsOnAreas(workload::UserCalls calls) const;
  // In which state Get gives pages of `order`, where it does not say so of each.
  policy::PageState StateOf(model::Order order) const;

  // What `attempt` returns.
  template <typename Attempt>
  auto Try(const Attempt& attempt) {
    ShrinkBelowThreshold();
    auto result = attempt();
    if (pressure_ != nullptr && pressure_->IsKswapdWoken()) pressure_->RunKswapd(/*cpu=*/0);
    return result;
  }

 private:
  bool Serves(model::Order order) const { return order <= cache_->max_order(); }
  bool IsPresent(model::FrameNumber frame) const;
  void ShrinkBelowThreshold();

  model::Machine* machine_;
  policy::CacheType* cache_;
  model::MemoryPressure* pressure_;
  policy::CacheUser user_;
  model::FrameCount shrink_below_;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_PAGE_SUPPLY_H_
