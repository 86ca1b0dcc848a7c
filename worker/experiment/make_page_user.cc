#include "worker/experiment/make_page_user.h"

#include <unordered_map>

#include "worker/experiment/block_user.h"
#include "worker/experiment/cached_code.h"
#include "worker/experiment/call_runner.h"
#include "worker/experiment/graphics_user.h"
#include "worker/experiment/module_objects.h"
#include "worker/workload/permission.h"

namespace dmfrag::experiment {
namespace {

using model::CpaOutcome;
using model::FrameNumber;
using workload::Operation;
using workload::Permission;

constexpr model::Order kSingle(0);

// Traffic that changes no permission.
class OrdinaryPages : public PageUser {
 public:
  explicit OrdinaryPages(PageSupply* supply) : supply_(supply) {}

  std::optional<FrameNumber> Allocate(const Operation& operation) override {
    return supply_->Try([&] { return supply_->machine().allocator().Allocate(operation.order, operation.type); });
  }
  void Free(const Operation& operation, FrameNumber block) override {
    FreeOrdinary(block, operation.order, supply_->machine(), supply_->cache());
  }

 private:
  PageSupply* supply_;
};

// The pages of an object lie in a vmalloc area and change together.
class MappedObjects : public PageUser {
 public:
  MappedObjects(const Permission* permission, PageSupply* supply) : permission_(permission), supply_(supply) {}

  std::optional<FrameNumber> Allocate(const Operation& operation) override {
    const auto page = supply_->Try([&] { return supply_->Get(kSingle, operation.type); });
    return page.has_value() ? std::optional(page->page) : std::nullopt;
  }
  void Free(const Operation&, FrameNumber page) override { supply_->Give(page, kSingle); }

  bool keeps_parts() const override { return false; }
  bool changes_objects() const override { return true; }
  bool Protect(const Operation& operation, const std::vector<FrameNumber>& pages) override {
    const model::VirtualRange area = supply_->machine().Vmap(pages);
    areas_.emplace(operation.object, area);
    const workload::UserCalls calls = supply_->CallsToSet(CallsOn(permission_->set, pages, area), kSingle,
                                                          supply_->StateOf(kSingle), /*is_mapped_elsewhere=*/true);
    if (supply_->Try([&] { return Perform(calls, supply_->machine()) == CpaOutcome::kDone; })) return true;
    Unprotect(operation, pages);
    return false;
  }
  void Unprotect(const Operation& operation, const std::vector<FrameNumber>& pages) override {
    const auto found = areas_.find(operation.object);
    if (found == areas_.end()) return;
    PerformAll(supply_->CallsToReset(CallsOn(permission_->reset, pages, found->second), kSingle, pages,
                                     /*is_mapped_elsewhere=*/true),
               supply_->machine());
    supply_->machine().Vunmap(found->second);
    areas_.erase(found);
  }

 private:
  workload::UserCalls CallsOn(workload::PermissionCalls calls, const std::vector<FrameNumber>& pages,
                              model::VirtualRange area) const {
    return calls({.frames = pages, .area = area}, supply_->machine().cpa_release());
  }

  const Permission* permission_;
  PageSupply* supply_;
  // Looked up by key alone, never walked.
  std::unordered_map<uint64_t, model::VirtualRange> areas_;
};

// Objects that have no pages of their own, but a part of a pack.
class PackedObjects : public PageUser {
 public:
  explicit PackedObjects(PackPool* pool) : pool_(pool) {}

  uint64_t AllocationsOf(const Operation&) const override { return 0; }
  bool changes_objects() const override { return true; }
  std::optional<FrameNumber> Allocate(const Operation&) override { return std::nullopt; }
  void Free(const Operation&, FrameNumber) override {}
  bool Protect(const Operation& operation, const std::vector<FrameNumber>&) override {
    const std::optional<PackPool::ChunkId> chunk = pool_->Take(this, operation.detail);
    if (chunk.has_value()) chunks_.emplace(operation.object, *chunk);
    return chunk.has_value();
  }
  void Unprotect(const Operation& operation, const std::vector<FrameNumber>&) override {
    const auto found = chunks_.find(operation.object);
    if (found == chunks_.end()) return;
    pool_->Return(found->second);
    chunks_.erase(found);
  }
  int64_t other_pages() const override { return static_cast<int64_t>(pool_->PagesOf(this).raw()); }

 private:
  PackPool* pool_;
  // Looked up by key alone, never walked.
  std::unordered_map<uint64_t, PackPool::ChunkId> chunks_;
};

}  // namespace

std::unique_ptr<PageUser> MakePageUser(const workload::ObjectTraffic& traffic, PageSupply* supply, PackPools* packs) {
  const Permission* permission = traffic.permission;
  if (permission == nullptr) return std::make_unique<OrdinaryPages>(supply);
  if (permission->unit == Permission::Unit::kModule) return std::make_unique<ModuleObjects>(supply, packs);
  if (permission->packs != nullptr && supply->code_release() >= permission->packs_since) {
    PackPool* pool = &packs->Of(permission->packs);
    if (permission->packs->take != nullptr) return std::make_unique<CachedCode>(permission, supply, pool);
    return std::make_unique<PackedObjects>(pool);
  }
  if (permission->unit == Permission::Unit::kPool) return std::make_unique<GraphicsUser>(traffic, supply);
  if (permission->free_batch > 0) return std::make_unique<GatheredPages>(permission, supply);
  if (permission->unit == Permission::Unit::kBlock) return std::make_unique<BlockUser>(permission, supply);
  return std::make_unique<MappedObjects>(permission, supply);
}

}  // namespace dmfrag::experiment
