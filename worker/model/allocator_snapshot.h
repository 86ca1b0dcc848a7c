#ifndef DMFRAG_WORKER_MODEL_ALLOCATOR_SNAPSHOT_H_
#define DMFRAG_WORKER_MODEL_ALLOCATOR_SNAPSHOT_H_

#include <cstdint>
#include <vector>

#include "worker/model/migratetype.h"
#include "worker/model/units.h"

namespace dmfrag::model {

// One list of free blocks, by their first frames, head of the list first.
struct BlockList {
  Order order;
  Migratetype type = Migratetype::kUnmovable;
  std::vector<FrameNumber> blocks;
  friend bool operator==(const BlockList&, const BlockList&) = default;
};

// The per-CPU lists of one zone and one processor. Lists that are empty are left out; the others ascend by order, then
// type.
struct PerCpuSnapshot {
  uint64_t high = 0;   // frames; pcp->high
  uint64_t batch = 1;  // frames; pcp->batch
  std::vector<BlockList> lists;
  friend bool operator==(const PerCpuSnapshot&, const PerCpuSnapshot&) = default;
};

// Consecutive pageblocks of one migratetype.
struct BlockTypeRun {
  FrameNumber first;  // of the first block
  uint64_t blocks = 0;
  Migratetype type = Migratetype::kMovable;
  friend bool operator==(const BlockTypeRun&, const BlockTypeRun&) = default;
};

// What the allocator holds of one zone.
struct ZoneSnapshot {
  uint32_t node = 0;
  bool movable = false;  // ZONE_MOVABLE
  FrameRange bounds;     // starts in the zone; ends behind its last frame
  FrameCount managed;    // when watermarks were set last
  FrameCount min_mark;   // WMARK_MIN, WMARK_LOW; without lowmem_reserve
  FrameCount low_mark;
  std::vector<BlockList> free;          // empty lists are left out; ascending by order, then type
  std::vector<PerCpuSnapshot> per_cpu;  // by processor; equally many in every zone
  std::vector<BlockTypeRun> block_types;
  friend bool operator==(const ZoneSnapshot&, const ZoneSnapshot&) = default;
};

// The whole state of a page allocator that decides which frame comes next, but for counters of recent runs of
// allocations and frees. A plain value.
struct AllocatorSnapshot {
  std::vector<ZoneSnapshot> zones;    // ascending, and so are their nodes, without a gap
  std::vector<uint32_t> node_of_cpu;  // empty: all processors are node 0's
  // Frames that are not free are either no memory or will be named (PageAllocator::Adopt). Otherwise those of movable
  // pageblocks count as movable ones.
  bool knows_frames_in_use = false;
  friend bool operator==(const AllocatorSnapshot&, const AllocatorSnapshot&) = default;
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_ALLOCATOR_SNAPSHOT_H_
