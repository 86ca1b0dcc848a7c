#ifndef DMFRAG_WORKER_EXPERIMENT_OBJECT_TABLE_H_
#define DMFRAG_WORKER_EXPERIMENT_OBJECT_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <unordered_map>
#include <vector>

#include "worker/model/units.h"

namespace dmfrag::experiment {

// The blocks of every live object, and the order in which those of the page cache came in. Lists are reused, so that a
// run in steady state allocates no memory of the host for blocks. Thread-compatible; constant time.
class ObjectTable {
 public:
  // Names a live object.
  using Slot = uint32_t;

  explicit ObjectTable(size_t users) : slot_of_(users) {}

  // A new object without blocks. REQUIRES: the user has no object of this number.
  Slot Add(uint32_t user, uint64_t object, bool is_page_cache);
  // REQUIRES: the object was added and not removed.
  Slot Find(uint32_t user, uint64_t object) const;
  // REQUIRES: as Find.
  void Remove(uint32_t user, uint64_t object);

  // Gives the object one more block, and says which of its blocks that is.
  uint32_t AddBlock(Slot slot, model::FrameNumber block);
  void ReplaceBlock(Slot slot, uint32_t index, model::FrameNumber block) { slots_[slot].blocks[index] = block; }
  // The blocks it holds, in the order it got them, are those from `first_block` on.
  const std::vector<model::FrameNumber>& blocks(Slot slot) const { return slots_[slot].blocks; }
  size_t first_block(Slot slot) const { return slots_[slot].dropped; }
  uint32_t user(Slot slot) const { return slots_[slot].user; }

  // The object whose pages have been in the page cache for longest; nullopt: none has any.
  std::optional<Slot> OldestOfPageCache() const;
  // Takes that object's first block from it.
  model::FrameNumber DropFirstBlock(Slot oldest);

 private:
  struct Object {
    std::vector<model::FrameNumber> blocks;
    size_t dropped = 0;  // of the first blocks
    uint32_t user = 0;
    bool is_page_cache = false;
    std::list<Slot>::iterator place;  // in page_cache_, while it is of the page cache and holds blocks
  };
  static bool IsInPageCache(const Object& object) {
    return object.is_page_cache && object.dropped < object.blocks.size();
  }

  // Looked up by key alone, never walked: its order reaches no result.
  std::vector<std::unordered_map<uint64_t, Slot>> slot_of_;
  std::vector<Object> slots_;
  std::vector<Slot> free_slots_;
  std::list<Slot> page_cache_;  // oldest first
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_OBJECT_TABLE_H_
