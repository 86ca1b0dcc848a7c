#ifndef DMFRAG_WORKER_POLICY_ROX_PACK_H_
#define DMFRAG_WORKER_POLICY_ROX_PACK_H_

#include <memory>
#include <optional>
#include <string>

#include "worker/model/machine.h"
#include "worker/model/units.h"
#include "worker/policy/block_source.h"
#include "worker/policy/cache_options.h"
#include "worker/policy/interface.h"

namespace dmfrag::policy {

// Cache type `rox-pack`: code shares blocks of 2M that are read-only as a whole.
//
// Source: bpf_prog_pack (kernel/bpf/core.c) as of 7.3, where a pack is one 2M page, and the ROX cache of execmem
// (mm/execmem.c) of 6.15, whatever release the kernel is: their first-fit lists are those of worker/experiment
// (pack_pool.h), which take their 2M blocks here. Nothing else is cached: other users get single pages as with `none`.
// Departures: none of its own.
class RoxPackCache final : public CacheType {
 public:
  // Borrows `machine`, which must outlive it.
  RoxPackCache(model::Machine* machine, const CacheOptions& options)
      : machine_(machine), blocks_(MakeRefillSource(machine, options, SmallerOrders::kNone)) {}

  std::string name() const override { return "rox_pack"; }
  std::optional<CachedPage> Allocate(const PageRequest& request) override;
  model::Order max_order() const override { return model::kPageblockOrder; }
  void Free(model::FrameNumber block, model::Order order, const CacheUser&, PageState) override {
    machine_->allocator().Free(block, order);
  }
  std::optional<model::KernelRelease> code_release() const override { return model::KernelRelease::k7_3; }
  model::FrameCount Shrink(model::FrameCount) override { return model::FrameCount(0); }
  model::FrameCount idle_pages() const override { return model::FrameCount(0); }
  absl::Status CheckInvariants() const override { return absl::OkStatus(); }

 private:
  model::Machine* machine_;
  std::unique_ptr<BlockSource> blocks_;
};

}  // namespace dmfrag::policy

#endif  // DMFRAG_WORKER_POLICY_ROX_PACK_H_
