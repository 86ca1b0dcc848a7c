#include "worker/experiment/live_pages.h"

#include <optional>

#include "worker/experiment/page_user.h"

namespace dmfrag::experiment {

using model::FrameCount;
using model::FrameNumber;
using model::Order;
using workload::Operation;

namespace {

bool CanMove(const Operation& operation) {
  return operation.type == model::Migratetype::kMovable && operation.order == Order(0) &&
         operation.protection == workload::Protection::kNone;
}

}  // namespace

void LivePages::Hold(ObjectTable::Slot slot, const Operation& operation, FrameNumber block) {
  const uint32_t index = objects_.AddBlock(slot, block);
  CountLive(operation, 1);
  if (CanMove(operation)) machine_->allocator().SetOwner(block, {slot, index});
}

void LivePages::Release(const Operation& operation, FrameNumber block) {
  CountLive(operation, -1);
  if (CanMove(operation)) Forget(block);
}

void LivePages::CountLive(const Operation& operation, int64_t sign) {
  UserResult& user = (*users_)[operation.user];
  const int64_t pages = sign * static_cast<int64_t>(operation.order.frames().raw());
  user.live_pages += pages;
  if (operation.protection != workload::Protection::kNone) user.protected_pages += pages;
}

bool LivePages::IsMovable(FrameNumber frame) const {
  if (!machine_->allocator().OwnerOf(frame).has_value()) return false;
  return !cache_->diverts_frees() || machine_->allocator().PageblockMark(frame) == 0;
}

void LivePages::Moved(FrameNumber from, FrameNumber to) {
  const model::PageAllocator::PageOwner owner = *machine_->allocator().OwnerOf(from);
  objects_.ReplaceBlock(owner.object, owner.page, to);
  machine_->allocator().SetOwner(to, owner);
}

FrameCount LivePages::DropPageCache(FrameCount at_most) {
  FrameCount dropped;
  while (dropped < at_most) {
    const std::optional<ObjectTable::Slot> oldest = objects_.OldestOfPageCache();
    if (!oldest.has_value()) break;
    const FrameNumber page = objects_.DropFirstBlock(*oldest);
    --(*users_)[objects_.user(*oldest)].live_pages;
    Forget(page);
    FreeFor(Operation(), page, *machine_, *cache_);
    dropped += FrameCount(1);
  }
  return dropped;
}

}  // namespace dmfrag::experiment
