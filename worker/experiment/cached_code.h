#ifndef DMFRAG_WORKER_EXPERIMENT_CACHED_CODE_H_
#define DMFRAG_WORKER_EXPERIMENT_CACHED_CODE_H_

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "worker/experiment/pack_pool.h"
#include "worker/experiment/page_supply.h"
#include "worker/experiment/page_user.h"
#include "worker/model/units.h"
#include "worker/workload/operation.h"
#include "worker/workload/permission.h"

namespace dmfrag::experiment {

// Objects whose pages are a part of a pack: as many as the object has allocations. The pool makes the part writable;
// the permission's own calls end that. Borrows all pointers.
class CachedCode final : public PageUser {
 public:
  CachedCode(const workload::Permission* permission, PageSupply* supply, PackPool* pool)
      : permission_(permission), supply_(supply), pool_(pool) {}

  uint64_t AllocationsOf(const workload::Operation&) const override { return 0; }
  bool changes_objects() const override { return true; }
  std::optional<model::FrameNumber> Allocate(const workload::Operation&) override { return std::nullopt; }
  void Free(const workload::Operation&, model::FrameNumber) override {}
  bool Protect(const workload::Operation& operation, const std::vector<model::FrameNumber>& pages) override;
  void Unprotect(const workload::Operation& operation, const std::vector<model::FrameNumber>& pages) override;
  int64_t other_pages() const override { return static_cast<int64_t>(pool_->PagesOf(this).raw()); }

 private:
  const workload::Permission* permission_;
  PageSupply* supply_;
  PackPool* pool_;
  // Looked up by key alone, never walked.
  std::unordered_map<uint64_t, PackPool::ChunkId> parts_;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_CACHED_CODE_H_
