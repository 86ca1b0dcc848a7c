#ifndef DMFRAG_WORKER_EXPERIMENT_LIVE_PAGES_H_
#define DMFRAG_WORKER_EXPERIMENT_LIVE_PAGES_H_

#include <vector>

#include "worker/experiment/object_table.h"
#include "worker/experiment/page_user.h"
#include "worker/experiment/run_result.h"
#include "worker/model/machine.h"
#include "worker/model/memory_pressure.h"
#include "worker/model/migratetype.h"
#include "worker/model/units.h"
#include "worker/policy/interface.h"
#include "worker/workload/object_traffic.h"
#include "worker/workload/operation.h"

namespace dmfrag::experiment {

// What the users of a run hold, and what of it the kernel may move or take away: single movable pages of ordinary
// traffic may be moved, and those of the page cache dropped. Larger blocks and the pages of users of permissions stay
// where they are, as their kernel objects do (secretmem's address space refuses migration: secretmem_migrate_folio).
// Keeps count of live pages. Thread-compatible.
class LivePages final : public model::PageHolders, public policy::LiveCachedPages {
 public:
  // What the users of a mix do, in its order; borrows the rest.
  LivePages(model::Machine* machine, policy::CacheType* cache, const std::vector<workload::ObjectTraffic>& traffic,
            std::vector<UserResult>* users);

  // The object of a kCreate operation comes to life, without pages.
  ObjectTable::Slot Create(const workload::Operation& operation);
  // An object that lived before: it holds its blocks of `order` and `type`, and gets no more.
  void TakeUp(const HeldObject& object, model::Order order, model::Migratetype type);
  // The next user of the mix: it is asked for its pools when memory is short, and to move its pages. Borrows it.
  void Add(PageUser* user) { page_users_.push_back(user); }
  // It has got all it will get.
  void Complete(ObjectTable::Slot slot) { objects_.Complete(slot); }
  // It got one of its allocations.
  void Hold(ObjectTable::Slot slot, const workload::Operation& operation, model::FrameNumber block);
  // It is about to free one, or to hand it to somebody else.
  void Release(const workload::Operation& operation, model::FrameNumber block);
  // The object holds nothing any more, and lives on.
  void Clear(ObjectTable::Slot slot) { objects_.Clear(slot); }
  // The user has pages beside the blocks of its objects.
  void CountOther(uint32_t user, int64_t pages);
  const ObjectTable& objects() const { return objects_; }
  // The object of a kDestroy operation has freed what it held.
  void Remove(const workload::Operation& operation) { objects_.Remove(operation.user, operation.object); }

  // Pageblocks that a cache has marked are left alone: their pages go to the cache when they are freed, so that to
  // empty such a block makes no free one.
  bool IsMovable(model::FrameNumber frame) const override;
  void Moved(model::FrameNumber from, model::FrameNumber to) override;
  // Single pages of kinds whose pages can be moved, and of objects that have got all they will get.
  bool CanMove(model::FrameNumber page) const override;
  bool Move(model::FrameNumber from, model::FrameNumber to) override;
  model::FrameCount DropPageCache(model::FrameCount at_most) override;
  // The cache first, then the pools of users, in the order of the mix.
  model::FrameCount ShrinkCaches(model::FrameCount at_most) override;

 private:
  struct Kind {
    bool can_move = false;        // by compaction
    bool moves_in_cache = false;  // if the cache asks for it
    bool protects_blocks = false;
    bool is_page_cache = false;
    uint32_t read_again_percent = 0;
  };
  // The block is a page that may be asked to move.
  static bool HasOwner(const Kind& kind, const workload::Operation& operation) {
    if (operation.order != model::Order(0)) return false;
    return kind.moves_in_cache || (kind.can_move && operation.type == model::Migratetype::kMovable);
  }
  // A page that a cache takes when it is freed stays in use.
  void Forget(const Kind& kind, model::FrameNumber page) {
    if (cache_->checks_frees() || kind.moves_in_cache) machine_->allocator().ClearOwner(page);
  }
  void CountLive(const workload::Operation& operation, int64_t sign);

  model::Machine* machine_;
  policy::CacheType* cache_;
  std::vector<Kind> kinds_;  // by user
  std::vector<UserResult>* users_;
  std::vector<PageUser*> page_users_;
  ObjectTable objects_;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_LIVE_PAGES_H_
