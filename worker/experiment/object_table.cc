#include "worker/experiment/object_table.h"

#include <algorithm>

#include "third_party/abseil_extras/check.h"

namespace dmfrag::experiment {

ObjectTable::Slot ObjectTable::Add(uint32_t user, uint64_t object, CacheList list, workload::SimTime end) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<Slot>(slots_.size()));
    slots_.emplace_back();
  }
  const Slot slot = free_slots_.back();
  free_slots_.pop_back();
  const bool is_new = slot_of_[user].emplace(object, slot).second;
  CHECK(is_new);
  Object& added = slots_[slot];
  added.blocks.clear();
  added.dropped = 0;
  added.user = user;
  added.number = object;
  added.end = end;
  added.list = list;
  added.complete = false;
  return slot;
}

void ObjectTable::Complete(Slot slot) {
  Object& object = slots_[slot];
  object.complete = true;
  if (object.list != CacheList::kNone && !IsInPageCache(object)) Forget(slot);
}

void ObjectTable::Forget(Slot slot) {
  slot_of_[slots_[slot].user].erase(slots_[slot].number);
  free_slots_.push_back(slot);
}

ObjectTable::Slot ObjectTable::Find(uint32_t user, uint64_t object) const {
  const auto found = slot_of_[user].find(object);
  CHECK(found != slot_of_[user].end());
  return found->second;
}

void ObjectTable::Remove(uint32_t user, uint64_t object) {
  const Slot slot = Find(user, object);
  Object& removed = slots_[slot];
  if (IsInPageCache(removed)) ListOf(removed).erase(removed.place);
  Forget(slot);
}

uint32_t ObjectTable::AddBlock(Slot slot, model::FrameNumber block) {
  Object& object = slots_[slot];
  if (object.list != CacheList::kNone && !IsInPageCache(object)) {
    std::list<Slot>& list = ListOf(object);
    object.place = list.insert(list.end(), slot);
  }
  object.blocks.push_back(block);
  return static_cast<uint32_t>(object.blocks.size() - 1);
}

std::optional<ObjectTable::Slot> ObjectTable::OldestOfPageCache() const {
  for (const std::list<Slot>* list : {&inactive_, &active_}) {
    if (!list->empty()) return list->front();
  }
  return std::nullopt;
}

model::FrameNumber ObjectTable::DropFirstBlock(Slot oldest) {
  Object& object = slots_[oldest];
  CHECK(IsInPageCache(object));
  const model::FrameNumber block = object.blocks[object.dropped++];
  if (!IsInPageCache(object)) {
    ListOf(object).erase(object.place);
    if (object.complete) Forget(oldest);
  }
  return block;
}

std::vector<HeldObject> ObjectTable::Held() const {
  std::vector<Slot> order;
  for (const auto& slots : slot_of_) {
    const auto begin = static_cast<std::ptrdiff_t>(order.size());
    for (const auto& [number, slot] : slots) {
      if (slots_[slot].list == CacheList::kNone && !slots_[slot].blocks.empty()) order.push_back(slot);
    }
    std::sort(order.begin() + begin, order.end(),
              [this](Slot a, Slot b) { return slots_[a].number < slots_[b].number; });
  }
  order.insert(order.end(), inactive_.begin(), inactive_.end());
  order.insert(order.end(), active_.begin(), active_.end());
  std::vector<HeldObject> held;
  held.reserve(order.size());
  for (const Slot slot : order) {
    const Object& object = slots_[slot];
    held.push_back(
        {.user = object.user,
         .number = object.number,
         .list = object.list,
         .end = object.end,
         .blocks = {object.blocks.begin() + static_cast<std::ptrdiff_t>(object.dropped), object.blocks.end()}});
  }
  return held;
}

}  // namespace dmfrag::experiment
