#include "worker/experiment/live_pages.h"

#include <optional>

#include "worker/experiment/page_supply.h"

namespace dmfrag::experiment {

using model::FrameCount;
using model::FrameNumber;
using model::Order;
using workload::Operation;

LivePages::LivePages(model::Machine* machine, policy::CacheType* cache,
                     const std::vector<workload::ObjectTraffic>& traffic, std::vector<UserResult>* users)
    : machine_(machine), cache_(cache), users_(users), objects_(users->size()) {
  for (const workload::ObjectTraffic& of : traffic) {
    const bool is_ordinary = of.permission == nullptr;
    kinds_.push_back({.can_move = is_ordinary && of.type == model::Migratetype::kMovable && of.order == Order(0),
                      .moves_in_cache = !is_ordinary && of.order == Order(0) && !of.permission->past_cache &&
                                        of.permission->reach == workload::Permission::Reach::kMovable,
                      .protects_blocks = !is_ordinary,
                      .is_page_cache = of.page_cache,
                      .read_again_percent = of.read_again_percent});
  }
}

ObjectTable::Slot LivePages::Create(const Operation& operation) {
  const Kind& kind = kinds_[operation.user];
  CacheList list = CacheList::kNone;
  if (kind.is_page_cache) {
    list = operation.detail < kind.read_again_percent ? CacheList::kActive : CacheList::kInactive;
  }
  return objects_.Add(operation.user, operation.object, list, operation.end);
}

void LivePages::TakeUp(const HeldObject& object, Order order, model::Migratetype type) {
  const Operation operation = {.user = object.user, .object = object.number, .order = order, .type = type};
  const ObjectTable::Slot slot = objects_.Add(object.user, object.number, object.list, object.end);
  for (const FrameNumber block : object.blocks) Hold(slot, operation, block);
  objects_.Complete(slot);
}

void LivePages::Hold(ObjectTable::Slot slot, const Operation& operation, FrameNumber block) {
  const uint32_t index = objects_.AddBlock(slot, block);
  CountLive(operation, 1);
  if (HasOwner(kinds_[operation.user], operation)) machine_->allocator().SetOwner(block, {slot, index});
}

void LivePages::Release(const Operation& operation, FrameNumber block) {
  CountLive(operation, -1);
  const Kind& kind = kinds_[operation.user];
  if (HasOwner(kind, operation)) Forget(kind, block);
}

void LivePages::CountLive(const Operation& operation, int64_t sign) {
  CountOther(operation.user, sign * static_cast<int64_t>(operation.order.frames().raw()));
}

void LivePages::CountOther(uint32_t user, int64_t pages) {
  (*users_)[user].live_pages += pages;
  if (kinds_[user].protects_blocks) (*users_)[user].protected_pages += pages;
}

bool LivePages::IsMovable(FrameNumber frame) const {
  const auto owner = machine_->allocator().OwnerOf(frame);
  if (!owner.has_value() || !kinds_[objects_.user(owner->object)].can_move) return false;
  return !cache_->checks_frees() || machine_->allocator().PageblockMark(frame) == 0;
}

void LivePages::Moved(FrameNumber from, FrameNumber to) {
  const model::PageAllocator::PageOwner owner = *machine_->allocator().OwnerOf(from);
  objects_.ReplaceBlock(owner.object, owner.page, to);
  machine_->allocator().SetOwner(to, owner);
}

bool LivePages::CanMove(FrameNumber page) const {
  const auto owner = machine_->allocator().OwnerOf(page);
  return owner.has_value() && kinds_[objects_.user(owner->object)].moves_in_cache;
}

bool LivePages::Move(FrameNumber from, FrameNumber to) {
  const model::PageAllocator::PageOwner owner = *machine_->allocator().OwnerOf(from);
  if (!page_users_[objects_.user(owner.object)]->Move(from, to)) return false;
  machine_->allocator().ClearOwner(from);
  objects_.ReplaceBlock(owner.object, owner.page, to);
  machine_->allocator().SetOwner(to, owner);
  return true;
}

FrameCount LivePages::DropPageCache(FrameCount at_most) {
  FrameCount dropped;
  while (dropped < at_most) {
    const std::optional<ObjectTable::Slot> oldest = objects_.OldestOfPageCache();
    if (!oldest.has_value()) break;
    --(*users_)[objects_.user(*oldest)].live_pages;
    const FrameNumber page = objects_.DropFirstBlock(*oldest);
    Forget(kinds_[objects_.user(*oldest)], page);
    FreeOrdinary(page, Order(0), *machine_, *cache_);
    dropped += FrameCount(1);
  }
  return dropped;
}

FrameCount LivePages::ShrinkCaches(FrameCount at_most) {
  FrameCount freed = cache_->Shrink(at_most);
  for (PageUser* user : page_users_) {
    if (freed >= at_most) break;
    freed += user->Shrink(at_most - freed);
  }
  return freed;
}

}  // namespace dmfrag::experiment
