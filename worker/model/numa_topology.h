#ifndef DMFRAG_WORKER_MODEL_NUMA_TOPOLOGY_H_
#define DMFRAG_WORKER_MODEL_NUMA_TOPOLOGY_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/model/memory_map.h"
#include "worker/model/units.h"

namespace dmfrag::model {

// Which NUMA node each frame and each processor belongs to. A node is one range of addresses, nodes ascend without a
// gap, and all are equally far from each other. Immutable.
class NumaTopology {
 public:
  static constexpr uint32_t kMaxNodes = 64;
  // Nodes begin at multiples of this, a section of the kernel's sparse memory (SECTION_SIZE_BITS): 128 MiB.
  static constexpr FrameCount kGranularity{uint64_t{1} << 15};

  // Everything belongs to node 0. REQUIRES: cpus >= 1.
  static NumaTopology OneNode(uint32_t cpus);

  // `nodes` nodes with equal shares of the memory, in order of addresses and rounded to kGranularity, and with equal
  // shares of the processors, in blocks: as QEMU's and most firmware's tables have it.
  // Errors: kInvalidArgument if `nodes` is not in 1..kMaxNodes, or one would have no processor or no memory.
  static absl::StatusOr<NumaTopology> Even(const MemoryMap& memory, uint32_t nodes, uint32_t cpus);

  // Nodes that begin at these frames, and the node of each processor. Nodes without processors are allowed.
  // Errors: kInvalidArgument if the first is not 0, they do not ascend in multiples of a kMaxOrder block, there is no
  // processor, or one is of no node.
  static absl::StatusOr<NumaTopology> Create(std::vector<FrameNumber> first_frames, std::vector<uint32_t> node_of_cpu);

  uint32_t nodes() const { return static_cast<uint32_t>(first_frames_.size()); }
  uint32_t cpus() const { return static_cast<uint32_t>(node_of_cpu_.size()); }
  // By processor.
  const std::vector<uint32_t>& node_of_cpu() const { return node_of_cpu_; }
  // Addresses of a node; the last one's go on for ever.
  FrameRange RangeOf(uint32_t node) const;

  // All nodes, those that `node` prefers first: itself, then by number, going round (mm/page_alloc.c
  // find_next_best_node with equal distances: "prefer the next node"; then the one that fewest nodes prefer so far).
  std::vector<uint32_t> FallbackOrder(uint32_t node) const;

 private:
  NumaTopology(std::vector<FrameNumber> first_frames, std::vector<uint32_t> node_of_cpu)
      : first_frames_(std::move(first_frames)), node_of_cpu_(std::move(node_of_cpu)) {}

  std::vector<FrameNumber> first_frames_;
  std::vector<uint32_t> node_of_cpu_;
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_NUMA_TOPOLOGY_H_
