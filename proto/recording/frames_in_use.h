#ifndef DMFRAG_PROTO_RECORDING_FRAMES_IN_USE_H_
#define DMFRAG_PROTO_RECORDING_FRAMES_IN_USE_H_

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace dmfrag::recording {

// The blocks of a recorded kernel that are in use, by their frames; and which frames an event has named so far. Memory:
// a record for each block in use, and 24 bytes for each 64 frames named. Constant time for a block that is found as it
// was put; in proportion to its frames otherwise. Thread-compatible.
class FramesInUse {
 public:
  struct Block {
    uint64_t frame = 0;
    uint8_t order = 0;
    uint64_t number = 0;
    uint32_t record = 0;   // the caller's own
    bool is_part = false;  // of what was allocated as one
  };

  // REQUIRES: none of the frames is in use.
  void Put(const Block& block);

  bool IsInUse(uint64_t frame) const { return IsAnySet(in_use_, frame, 0); }
  bool IsAnyInUse(uint64_t frame, uint8_t order) const { return IsAnySet(in_use_, frame, order); }
  bool WasAnyNamed(uint64_t frame, uint8_t order) const { return IsAnySet(named_, frame, order); }

  // The block that holds `frame`; null: none. Valid until the next change.
  const Block* Find(uint64_t frame) const;

  // Takes out every block in the range; of one that reaches beyond it, the rest stays, in blocks as large as the part
  // that was taken. The parts that were taken, none larger than the range, by frame. Marks the range as named.
  std::vector<Block> Take(uint64_t frame, uint8_t order);

  // The block is elsewhere now. REQUIRES: `from` is its first frame, and the frames at `to` are not in use.
  void Move(uint64_t from, uint64_t to);

 private:
  using BitMap = absl::flat_hash_map<uint64_t, uint64_t>;  // by frame / 64; looked up, never walked
  static bool IsAnySet(const BitMap& map, uint64_t frame, uint8_t order);
  static void SetBits(BitMap& map, uint64_t frame, uint8_t order, bool on);
  void Erase(const Block& block);
  // Replaces a block by its parts of `order`.
  void Split(const Block& block, uint8_t order);

  absl::flat_hash_map<uint64_t, Block> blocks_;  // by first frame; looked up, never walked
  BitMap in_use_;
  BitMap named_;
};

}  // namespace dmfrag::recording

#endif  // DMFRAG_PROTO_RECORDING_FRAMES_IN_USE_H_
