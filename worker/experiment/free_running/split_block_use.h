#ifndef DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_SPLIT_BLOCK_USE_H_
#define DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_SPLIT_BLOCK_USE_H_

#include <bitset>
#include <cstdint>
#include <unordered_map>

#include "worker/model/units.h"

namespace dmfrag::experiment {

// How far split blocks are used: 2M blocks of the direct map that were split, and how many different pages in them
// were named by a request. A page counts once, whether its request came before the split or after.
struct SplitBlockCounts {
  uint64_t blocks = 0;
  uint64_t changed_pages = 0;
  // Pages changed per split block; 0 without any.
  double PagesPerBlock() const {
    return blocks == 0 ? 0 : static_cast<double>(changed_pages) / static_cast<double>(blocks);
  }
  friend bool operator==(const SplitBlockCounts&, const SplitBlockCounts&) = default;
};

// Counts them while requests and splits come in. Thread-compatible; memory of 64 bytes for each block touched.
class SplitBlockUse {
 public:
  void Change(model::FrameNumber first, model::FrameCount pages);
  // A 2M entry was split. A block that is split again after a collapse counts once.
  void Split(model::FrameNumber first);
  const SplitBlockCounts& counts() const { return counts_; }

 private:
  static constexpr size_t kPages = model::kFramesPer2M.raw();
  struct Block {
    std::bitset<kPages> changed;
    bool split = false;
  };

  std::unordered_map<uint64_t, Block> blocks_;  // by number of the 2M block
  SplitBlockCounts counts_;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_SPLIT_BLOCK_USE_H_
