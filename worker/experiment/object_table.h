#ifndef DMFRAG_WORKER_EXPERIMENT_OBJECT_TABLE_H_
#define DMFRAG_WORKER_EXPERIMENT_OBJECT_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <unordered_map>
#include <vector>

#include "worker/model/units.h"
#include "worker/workload/sim_time.h"

namespace dmfrag::experiment {

// Where the pages of an object stand for reclaim.
enum class CacheList : uint8_t {
  kNone,      // no page cache
  kInactive,  // files that were read once
  kActive,    // files that were read again, which go after all others
};

// A live object, for those who take it up elsewhere.
struct HeldObject {
  uint32_t user = 0;
  uint64_t number = 0;  // of the user's objects
  CacheList list = CacheList::kNone;
  workload::SimTime end;                   // the end of time: it does not end by itself
  std::vector<model::FrameNumber> blocks;  // in the order it got them
  friend bool operator==(const HeldObject&, const HeldObject&) = default;
};

// The blocks of every live object, and the order in which those of the page cache came in. An object of the page cache
// that has lost its last block is forgotten. Lists are reused, so that a run in steady state allocates no memory of the
// host for blocks. Thread-compatible; constant time.
class ObjectTable {
 public:
  // Names a live object.
  using Slot = uint32_t;

  explicit ObjectTable(size_t users) : slot_of_(users) {}

  // A new object without blocks, that is going to end at `end`. REQUIRES: the user has no object of this number.
  Slot Add(uint32_t user, uint64_t object, CacheList list, workload::SimTime end = {});
  // It has all the blocks it will get.
  void Complete(Slot slot);
  bool Contains(uint32_t user, uint64_t object) const { return slot_of_[user].contains(object); }
  // REQUIRES: the table contains the object.
  Slot Find(uint32_t user, uint64_t object) const;
  // Its blocks are somebody else's now. REQUIRES: it is not of the page cache.
  void Clear(Slot slot) { slots_[slot].blocks.clear(); }
  // REQUIRES: as Find.
  void Remove(uint32_t user, uint64_t object);

  // Gives the object one more block, and says which of its blocks that is.
  uint32_t AddBlock(Slot slot, model::FrameNumber block);
  void ReplaceBlock(Slot slot, uint32_t index, model::FrameNumber block) { slots_[slot].blocks[index] = block; }
  // The blocks it holds, in the order it got them, are those from `first_block` on.
  const std::vector<model::FrameNumber>& blocks(Slot slot) const { return slots_[slot].blocks; }
  size_t first_block(Slot slot) const { return slots_[slot].dropped; }
  uint32_t user(Slot slot) const { return slots_[slot].user; }

  // The object whose pages reclaim takes next: of the inactive list, if that has any, the one that came in first.
  // nullopt: none has any.
  std::optional<Slot> OldestOfPageCache() const;
  // Takes that object's first block from it.
  model::FrameNumber DropFirstBlock(Slot oldest);

  // Every object that holds blocks: those of the page cache last, in the order in which reclaim would take them, the
  // others by user and number. Adding them to an empty table in this order makes an equal one.
  std::vector<HeldObject> Held() const;

 private:
  struct Object {
    std::vector<model::FrameNumber> blocks;
    size_t dropped = 0;  // of the first blocks
    uint32_t user = 0;
    uint64_t number = 0;
    workload::SimTime end;
    CacheList list = CacheList::kNone;
    bool complete = false;
    std::list<Slot>::iterator place;  // in its list, while it holds blocks
  };
  static bool IsInPageCache(const Object& object) {
    return object.list != CacheList::kNone && object.dropped < object.blocks.size();
  }
  std::list<Slot>& ListOf(const Object& object) { return object.list == CacheList::kActive ? active_ : inactive_; }
  void Forget(Slot slot);

  // Its order reaches no result: looked up by key, or sorted.
  std::vector<std::unordered_map<uint64_t, Slot>> slot_of_;
  std::vector<Object> slots_;
  std::vector<Slot> free_slots_;
  std::list<Slot> inactive_;  // both oldest first
  std::list<Slot> active_;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_OBJECT_TABLE_H_
