#ifndef DMFRAG_WORKER_EXPERIMENT_BLOCK_FRAMES_H_
#define DMFRAG_WORKER_EXPERIMENT_BLOCK_FRAMES_H_

#include <vector>

#include "worker/model/units.h"

namespace dmfrag::experiment {

// Adds the frames of `block`, by address, to `frames`.
inline void AddFrames(model::FrameNumber block, model::Order order, std::vector<model::FrameNumber>& frames) {
  const model::FrameNumber end = block + order.frames();
  for (model::FrameNumber frame = block; frame < end; frame = frame + model::kFramesPer4K) frames.push_back(frame);
}

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_BLOCK_FRAMES_H_
