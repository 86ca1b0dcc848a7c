#include "worker/experiment/object_table.h"

#include "third_party/abseil_extras/check.h"

namespace dmfrag::experiment {

ObjectTable::Slot ObjectTable::Add(uint32_t user, uint64_t object, bool is_page_cache) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<Slot>(slots_.size()));
    slots_.emplace_back();
  }
  const Slot slot = free_slots_.back();
  free_slots_.pop_back();
  const bool is_new = slot_of_[user].emplace(object, slot).second;
  CHECK(is_new);
  slots_[slot].blocks.clear();
  slots_[slot].dropped = 0;
  slots_[slot].user = user;
  slots_[slot].is_page_cache = is_page_cache;
  return slot;
}

ObjectTable::Slot ObjectTable::Find(uint32_t user, uint64_t object) const {
  const auto found = slot_of_[user].find(object);
  CHECK(found != slot_of_[user].end());
  return found->second;
}

void ObjectTable::Remove(uint32_t user, uint64_t object) {
  const auto found = slot_of_[user].find(object);
  CHECK(found != slot_of_[user].end());
  const Object& removed = slots_[found->second];
  if (IsInPageCache(removed)) page_cache_.erase(removed.place);
  free_slots_.push_back(found->second);
  slot_of_[user].erase(found);
}

uint32_t ObjectTable::AddBlock(Slot slot, model::FrameNumber block) {
  Object& object = slots_[slot];
  if (object.is_page_cache && !IsInPageCache(object)) object.place = page_cache_.insert(page_cache_.end(), slot);
  object.blocks.push_back(block);
  return static_cast<uint32_t>(object.blocks.size() - 1);
}

std::optional<ObjectTable::Slot> ObjectTable::OldestOfPageCache() const {
  if (page_cache_.empty()) return std::nullopt;
  return page_cache_.front();
}

model::FrameNumber ObjectTable::DropFirstBlock(Slot oldest) {
  Object& object = slots_[oldest];
  CHECK(IsInPageCache(object));
  const model::FrameNumber block = object.blocks[object.dropped++];
  if (!IsInPageCache(object)) page_cache_.erase(object.place);
  return block;
}

}  // namespace dmfrag::experiment
