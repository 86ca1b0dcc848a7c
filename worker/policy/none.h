#ifndef DMFRAG_WORKER_POLICY_NONE_H_
#define DMFRAG_WORKER_POLICY_NONE_H_

#include <optional>
#include <string>

#include "worker/model/machine.h"
#include "worker/policy/cache_options.h"
#include "worker/policy/interface.h"

namespace dmfrag::policy {

// Cache type `none`: an order-0 page from anywhere, freed to the page allocator; large pages stay split for ever.
//
// Source: what mainline does for secretmem (mm/secretmem.c), measured on 6.1 to 7.3. No departures.
class NoneCache final : public CacheType {
 public:
  // Borrows `machine`, which must outlive it.
  explicit NoneCache(model::Machine* machine, const CacheOptions& = {}) : machine_(machine) {}

  std::string name() const override { return ""; }
  std::optional<model::FrameNumber> Allocate(const PageRequest& request) override;
  void Free(model::FrameNumber frame) override;
  model::FrameCount Shrink(model::FrameCount) override { return model::FrameCount(0); }
  model::FrameCount shrink_below() const override { return model::FrameCount(0); }
  model::FrameCount idle_pages() const override { return model::FrameCount(0); }
  absl::Status CheckInvariants() const override { return absl::OkStatus(); }

 private:
  model::Machine* machine_;
};

}  // namespace dmfrag::policy

#endif  // DMFRAG_WORKER_POLICY_NONE_H_
