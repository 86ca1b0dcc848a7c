#ifndef DMFRAG_WORKER_POLICY_NONE_H_
#define DMFRAG_WORKER_POLICY_NONE_H_

#include <optional>
#include <string>

#include "worker/model/machine.h"
#include "worker/policy/cache_options.h"
#include "worker/policy/interface.h"
#include "worker/policy/uncached.h"

namespace dmfrag::policy {

// Cache type `none`: an order-0 page from anywhere, freed to the page allocator; large pages stay split, unless the
// buddy allocator restores what coalesces (worker/experiment/coalesce_restorer.h), which needs no cache.
//
// Source: what mainline does for secretmem (mm/secretmem.c), measured on 6.1 to 7.3. No departures.
class NoneCache : public CacheType {
 public:
  // Borrows `machine`, which must outlive it.
  explicit NoneCache(model::Machine* machine, const CacheOptions& = {}) : machine_(machine) {}

  std::string name() const override { return ""; }
  std::optional<CachedPage> Allocate(const PageRequest& request) override {
    return AllocateUncached(*machine_, request);
  }
  void Free(model::FrameNumber block, model::Order order, const CacheUser&, PageState) override {
    machine_->allocator().Free(block, order);
  }
  model::FrameCount Shrink(model::FrameCount) override { return model::FrameCount(0); }
  model::FrameCount idle_pages() const override { return model::FrameCount(0); }
  absl::Status CheckInvariants() const override { return absl::OkStatus(); }

 protected:
  model::Machine& machine() { return *machine_; }

 private:
  model::Machine* machine_;
};

}  // namespace dmfrag::policy

#endif  // DMFRAG_WORKER_POLICY_NONE_H_
