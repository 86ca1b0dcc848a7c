#ifndef DMFRAG_WORKER_MODEL_COLLAPSE_OBSTACLE_H_
#define DMFRAG_WORKER_MODEL_COLLAPSE_OBSTACLE_H_

#include <cstdint>

#include "worker/model/direct_map.h"
#include "worker/model/units.h"

namespace dmfrag::model {

// Why the 4K entries of a 2M block cannot become one; the first that holds.
enum class CollapseObstacle : uint8_t {
  kNone,
  kAlreadyLarge,  // the block is mapped by 2M or 1G
  kHole,          // some of it is not mapped
  kNotPresent,    // an entry is not present
  kKernel4K,      // an entry is 4K on purpose (set_memory_4k, from 6.15 on)
  kGlobal,        // entries differ in GLOBAL alone, which does not come back after they were not present
  kDirty,         // in DIRTY too, or alone: it comes back when the processor writes there, which the model leaves out
  kUnequal,       // entries differ in other attributes, for example some are read-only
};

// What stands against a collapse of the block around `frame`. Takes up to 512 steps.
CollapseObstacle ObstacleToCollapse(const DirectMap& map, FrameNumber frame);

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_COLLAPSE_OBSTACLE_H_
