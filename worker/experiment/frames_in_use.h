#ifndef DMFRAG_WORKER_EXPERIMENT_FRAMES_IN_USE_H_
#define DMFRAG_WORKER_EXPERIMENT_FRAMES_IN_USE_H_

#include <cstdint>
#include <map>
#include <optional>

#include "worker/model/allocator_snapshot.h"
#include "worker/model/memory_map.h"
#include "worker/model/units.h"

namespace dmfrag::experiment {

// Frames that somebody unknown has in use, to be given names: all memory that an allocator does not have free.
// Thread-compatible.
class FramesInUse {
 public:
  FramesInUse(const model::MemoryMap& memory, const model::AllocatorSnapshot& allocator);

  // The block of `order` that lies nearest to `wanted`, and is in use without a name; of two equally near ones the
  // lower. It has a name from now on. nullopt: there is none. Takes a step for each stretch of frames in between.
  std::optional<model::FrameNumber> TakeNearest(model::FrameNumber wanted, model::Order order);

 private:
  void Remove(uint64_t first, uint64_t end);

  std::map<uint64_t, uint64_t> stretches_;  // first frame -> end; disjoint
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_FRAMES_IN_USE_H_
