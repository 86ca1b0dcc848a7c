#include "worker/experiment/object_table.h"

#include "third_party/abseil_extras/check.h"

namespace dmfrag::experiment {

std::vector<model::FrameNumber>& ObjectTable::Add(uint32_t user, uint64_t object) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  const bool is_new = slot_of_[user].emplace(object, slot).second;
  CHECK(is_new);
  slots_[slot].clear();
  return slots_[slot];
}

std::vector<model::FrameNumber>& ObjectTable::Get(uint32_t user, uint64_t object) {
  const auto found = slot_of_[user].find(object);
  CHECK(found != slot_of_[user].end());
  return slots_[found->second];
}

void ObjectTable::Remove(uint32_t user, uint64_t object) {
  const auto found = slot_of_[user].find(object);
  CHECK(found != slot_of_[user].end());
  free_slots_.push_back(found->second);
  slot_of_[user].erase(found);
}

}  // namespace dmfrag::experiment
