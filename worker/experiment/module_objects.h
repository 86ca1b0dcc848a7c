#ifndef DMFRAG_WORKER_EXPERIMENT_MODULE_OBJECTS_H_
#define DMFRAG_WORKER_EXPERIMENT_MODULE_OBJECTS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "worker/experiment/pack_pool.h"
#include "worker/experiment/page_supply.h"
#include "worker/experiment/page_user.h"
#include "worker/model/units.h"
#include "worker/workload/calls/module_calls.h"
#include "worker/workload/module.h"
#include "worker/workload/operation.h"

namespace dmfrag::experiment {

// Loadable modules (worker/workload/module.h). The pages of an object are those that stay and are the module's own, in
// the order of its areas; text in the ROX cache is none of them, and counts as other pages, by whole blocks. Init
// memory comes and goes within Protect, through the cache: it is no operation and no live page of the object.
// Simplification: all pages of its own are got before the part of the ROX cache, where the kernel gets text first.
// Borrows both pointers.
class ModuleObjects final : public PageUser {
 public:
  ModuleObjects(PageSupply* supply, PackPools* packs);

  uint64_t AllocationsOf(const workload::Operation& operation) const override;
  std::optional<model::FrameNumber> Allocate(const workload::Operation& operation) override;
  void Free(const workload::Operation&, model::FrameNumber page) override { supply_->Give(page, model::Order(0)); }

  bool keeps_parts() const override { return false; }
  bool changes_objects() const override { return true; }
  // Loads the module, up to the end of its init function.
  bool Protect(const workload::Operation& operation, const std::vector<model::FrameNumber>& pages) override;
  // Unloads it.
  void Unprotect(const workload::Operation& operation, const std::vector<model::FrameNumber>& pages) override;
  int64_t other_pages() const override { return static_cast<int64_t>(pool_->PagesOf(this).raw()); }

 private:
  using Frames = std::span<const model::FrameNumber>;
  // An area of vmalloc's.
  struct Area {
    bool holds_data = false;  // the module's struct, which goes last
    size_t first = 0;         // among the frames of its memory
    model::VirtualRange range;
  };
  // What is allocated, and freed, together: the core of a module, or its init memory.
  struct Memory {
    std::vector<Area> areas;
    std::optional<PackPool::ChunkId> text;  // in the ROX cache
  };

  model::KernelRelease release() const { return supply_->code_release(); }
  bool IsCached(const workload::ModuleArea& area) const;
  // Of the areas that are not in the ROX cache.
  uint64_t OwnPages(std::span<const workload::ModuleArea> areas, const workload::ModuleSizes& sizes) const;
  bool Load(const workload::ModuleSizes& sizes, Frames pages, Memory& core, workload::ModuleLayout& layout);
  // Maps the areas on `frames`, whose number is OwnPages, and says where each kind lies. False: no memory.
  bool Allocate(std::span<const workload::ModuleArea> areas, const workload::ModuleSizes& sizes, Frames frames,
                Memory& memory, workload::ModuleLayout& layout);
  bool TakeText(uint64_t pages, Memory& memory, model::VirtualRange& range);
  void MapArea(const workload::ModuleArea& area, const workload::ModuleSizes& sizes, Frames frames, size_t first,
               Memory& memory, workload::ModuleLayout& layout);
  // `came_to_be`: its text in the ROX cache is as the rest of that.
  void FreeMemory(Memory& memory, Frames frames, bool came_to_be);
  void FreeArea(const Area& area, Frames frames);
  bool Do(const workload::UserCalls& calls);

  PageSupply* supply_;
  PackPool* pool_;
  // Looked up by key alone, never walked.
  std::unordered_map<uint64_t, Memory> loaded_;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_MODULE_OBJECTS_H_
