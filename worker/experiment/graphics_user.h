#ifndef DMFRAG_WORKER_EXPERIMENT_GRAPHICS_USER_H_
#define DMFRAG_WORKER_EXPERIMENT_GRAPHICS_USER_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "worker/experiment/page_supply.h"
#include "worker/experiment/page_user.h"
#include "worker/model/units.h"
#include "worker/workload/object_traffic.h"
#include "worker/workload/operation.h"
#include "worker/workload/permission.h"

namespace dmfrag::experiment {

// Buffers whose blocks come from a pool and go back to it; in the pool they keep their memory type. What the pool does
// not have comes from the page allocator, at any order (the pool stands in a cache's place), and all new blocks of a
// buffer change together. Beyond the pool's limit, and when memory is short, the block that has been there longest is
// made write-back and freed. A buffer that finds no memory is given up as a whole.
//
// Source: drivers/gpu/drm/ttm/ttm_pool.c ttm_pool_alloc, ttm_pool_apply_caching, ttm_pool_free, ttm_pool_type_take,
// ttm_pool_shrink (with list_lru, which takes from the head; before, a block that came in last went first).
// Simplifications: a pool is one user's, of one order and memory type, with a limit of its own; a buffer falls back to
// no smaller order; when the change finds no memory for a split, the new blocks are put back first, whereas the kernel
// frees them as they are. Borrows `supply`.
class GraphicsUser final : public PageUser {
 public:
  GraphicsUser(const workload::ObjectTraffic& traffic, PageSupply* supply);

  std::optional<model::FrameNumber> Allocate(const workload::Operation& operation) override;
  void Free(const workload::Operation& operation, model::FrameNumber block) override;
  bool keeps_parts() const override { return false; }
  bool changes_objects() const override { return true; }
  bool resets_objects() const override { return false; }
  bool Protect(const workload::Operation& operation, const std::vector<model::FrameNumber>& blocks) override;
  int64_t other_pages() const override { return static_cast<int64_t>(idle_pages().raw()); }
  model::FrameCount Shrink(model::FrameCount at_most) override;

 private:
  model::FrameCount idle_pages() const { return model::FrameCount(pool_.size() * order_.frames().raw()); }
  // Makes it write-back.
  void Reset(model::FrameNumber block);
  void FreeOldest();

  const workload::Permission* permission_;
  PageSupply* supply_;
  model::Order order_;
  model::FrameCount limit_;
  std::deque<model::FrameNumber> pool_;     // oldest first
  std::vector<model::FrameNumber> new_;     // blocks of the buffer at hand that have not changed yet, as they came
  std::vector<model::FrameNumber> frames_;  // of the blocks at hand; its room is used again
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_GRAPHICS_USER_H_
