#ifndef DMFRAG_CLIENT_FIT_OBJECTS_H_
#define DMFRAG_CLIENT_FIT_OBJECTS_H_

#include <compare>
#include <cstdint>
#include <optional>
#include <vector>

#include "client/fit/block_lives.h"

namespace dmfrag::client {

// What blocks of one object have in common.
struct ObjectKey {
  uint32_t user = 0;
  uint8_t order = 0;
  uint8_t migratetype = 0;
  friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;
};

// Blocks that came together and went together, as those of one mapping or one file do.
struct FitObject {
  ObjectKey key;
  uint64_t blocks = 1;
  uint64_t start_us = 0;           // mean of its blocks
  std::optional<uint64_t> end_us;  // likewise; nullopt: in use at the end
  uint64_t pages() const { return blocks << key.order; }
};

// Joins blocks of one key that follow each other within `gap_us`, and end so, or are both in use at the end. By start.
std::vector<FitObject> FindObjects(const BlockLives& lives, uint64_t gap_us);

// Blocks further apart than this are two objects: a thousandth of the recording, 100 us to 100 ms.
uint64_t ObjectGapUs(uint64_t duration_us);

}  // namespace dmfrag::client

#endif  // DMFRAG_CLIENT_FIT_OBJECTS_H_
