#ifndef DMFRAG_WORKER_EXPERIMENT_LIVE_PAGES_H_
#define DMFRAG_WORKER_EXPERIMENT_LIVE_PAGES_H_

#include <vector>

#include "worker/experiment/object_table.h"
#include "worker/experiment/run_result.h"
#include "worker/model/machine.h"
#include "worker/model/memory_pressure.h"
#include "worker/model/units.h"
#include "worker/policy/interface.h"
#include "worker/workload/operation.h"

namespace dmfrag::experiment {

// What the users of a run hold, and what of it the kernel may move or take away: single movable pages of ordinary
// traffic may be moved, and those of the page cache dropped. Larger blocks and the pages of users of permissions stay
// where they are, as their kernel objects do (secretmem's address space refuses migration: secretmem_migrate_folio).
// Keeps count of live pages. Thread-compatible.
class LivePages final : public model::PageHolders {
 public:
  // Borrows all three; `users` are the mix's, in its order.
  LivePages(model::Machine* machine, policy::CacheType* cache, std::vector<UserResult>* users)
      : machine_(machine), cache_(cache), users_(users), objects_(users->size()) {}

  // The object of a kCreate operation comes to life, without pages.
  ObjectTable::Slot Create(const workload::Operation& operation) {
    return objects_.Add(operation.user, operation.object, operation.is_page_cache);
  }
  // It got one of its allocations.
  void Hold(ObjectTable::Slot slot, const workload::Operation& operation, model::FrameNumber block);
  // It is about to free one.
  void Release(const workload::Operation& operation, model::FrameNumber block);
  const ObjectTable& objects() const { return objects_; }
  // The object of a kDestroy operation has freed what it held.
  void Remove(const workload::Operation& operation) { objects_.Remove(operation.user, operation.object); }

  // Pageblocks that a cache has marked are left alone: their pages go to the cache when they are freed, so that to
  // empty such a block makes no free one.
  bool IsMovable(model::FrameNumber frame) const override;
  void Moved(model::FrameNumber from, model::FrameNumber to) override;
  model::FrameCount DropPageCache(model::FrameCount at_most) override;
  model::FrameCount ShrinkCaches(model::FrameCount at_most) override { return cache_->Shrink(at_most); }

 private:
  // A page that a cache takes when it is freed stays in use.
  void Forget(model::FrameNumber page) {
    if (cache_->diverts_frees()) machine_->allocator().ClearOwner(page);
  }
  void CountLive(const workload::Operation& operation, int64_t sign);

  model::Machine* machine_;
  policy::CacheType* cache_;
  std::vector<UserResult>* users_;
  ObjectTable objects_;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_LIVE_PAGES_H_
