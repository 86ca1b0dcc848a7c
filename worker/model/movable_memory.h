#ifndef DMFRAG_WORKER_MODEL_MOVABLE_MEMORY_H_
#define DMFRAG_WORKER_MODEL_MOVABLE_MEMORY_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/model/memory_map.h"
#include "worker/model/numa_topology.h"
#include "worker/model/units.h"

namespace dmfrag::model {

// Which memory is ZONE_MOVABLE, where movable allocations alone find room. A plain value; as it is at first, none is.
struct MovableMemory {
  static constexpr uint32_t kMaxPerMille = 900;
  // Memory is added in sections of 128 MiB (memory_block_size_bytes of machines below 64 GiB; larger ones have larger
  // blocks, up to 2 GiB).
  static constexpr FrameCount kSection{uint64_t{1} << 15};
  // Where memory is added that machines of less than 3 GiB do not have: above the devices.
  static constexpr FrameNumber kLowestAdded{uint64_t{1} << 20};

  // By node: all its memory from this frame on; empty: no node has any.
  std::vector<FrameNumber> first_frames = {};
  // Memory that was added after boot (hotplug), the last node's.
  FrameRange added = {};

  // With movablecore=: `per_mille` thousandths of each node's memory, at its end, beginning at a multiple of a
  // kMaxOrder block, and no more than the node has in the machine's highest zone. Source: mm/mm_init.c
  // find_zone_movable_pfns_for_nodes, find_usable_zone_for_movable.
  // With `hotplugged` > 0: so much memory is added behind the end of memory at the next multiple of kSection, above
  // 4 GiB, and brought online as ZONE_MOVABLE (memhp_default_state=online_movable).
  // Errors: kInvalidArgument if `per_mille` is above kMaxPerMille, `hotplugged` is no multiple of kSection, or ends
  // beyond MemoryMap::kMaxAddressBytes.
  static absl::StatusOr<MovableMemory> Of(const MemoryMap& memory, const NumaTopology& topology, uint32_t per_mille,
                                          FrameCount hotplugged);

  // Where memory is added.
  static FrameRange AddedTo(const MemoryMap& memory, FrameCount hotplugged);
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_MOVABLE_MEMORY_H_
