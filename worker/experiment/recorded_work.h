#ifndef DMFRAG_WORKER_EXPERIMENT_RECORDED_WORK_H_
#define DMFRAG_WORKER_EXPERIMENT_RECORDED_WORK_H_

#include <array>
#include <cstdint>
#include <vector>

#include "worker/experiment/run_result.h"
#include "worker/model/units.h"
#include "worker/workload/operation.h"
#include "worker/workload/recorded_user.h"

namespace dmfrag::experiment {

// A block that was in use before a recording began.
struct HeldBlock {
  workload::Operation operation;  // that would have allocated it; one allocation
  model::FrameNumber frame;       // the recorded kernel's first
};

// What a recording asks of a machine. Its users stand behind those of the mix: operations count them from there on.
struct RecordedWork {
  std::vector<workload::RecordedUser> users;
  std::vector<HeldBlock> held;
  workload::OperationSource* operations = nullptr;  // borrowed, and used up
};

// Free blocks by order, of all zones, without those of per-CPU lists: what /proc/buddyinfo prints.
using FreeBlocks = std::array<int64_t, model::kOrders>;

struct RecordedRunResult {
  RunResult run;
  FreeBlocks free_blocks_at_start{};
  FreeBlocks free_blocks{};
  // Of the blocks held before: those that stand elsewhere than in the kernel, and those for which there was no room.
  int64_t held_elsewhere = 0;
  int64_t held_missing = 0;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_RECORDED_WORK_H_
