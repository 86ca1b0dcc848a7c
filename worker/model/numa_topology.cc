#include "worker/model/numa_topology.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace dmfrag::model {
namespace {

constexpr FrameNumber kNoEnd(MemoryMap::kMaxAddressBytes / kFrameBytes);

// The frame that has `below` frames of memory below it, rounded to the granularity.
FrameNumber BoundaryAt(const MemoryMap& memory, FrameCount below) {
  for (const FrameRange& range : memory.ranges()) {
    if (below <= range.count()) {
      const FrameCount half(NumaTopology::kGranularity.raw() / 2);
      return (range.first + below + half).AlignedDown(NumaTopology::kGranularity);
    }
    below -= range.count();
  }
  return memory.end();
}

bool HasMemory(const MemoryMap& memory, FrameRange node) {
  return std::any_of(memory.ranges().begin(), memory.ranges().end(), [&](const FrameRange& range) {
    return !FrameRange{std::max(range.first, node.first), std::min(range.end, node.end)}.empty();
  });
}

}  // namespace

NumaTopology NumaTopology::OneNode(uint32_t cpus) { return {{FrameNumber(0)}, std::vector<uint32_t>(cpus, 0)}; }

absl::StatusOr<NumaTopology> NumaTopology::Even(const MemoryMap& memory, uint32_t nodes, uint32_t cpus) {
  if (nodes < 1 || nodes > kMaxNodes) {
    return absl::InvalidArgumentError(absl::StrCat(nodes, " NUMA nodes: give 1 to ", kMaxNodes));
  }
  if (cpus < nodes) {
    return absl::InvalidArgumentError(absl::StrCat(nodes, " NUMA nodes but ", cpus,
                                                   " processors: each node needs one; give fewer nodes or more "
                                                   "processors"));
  }
  std::vector<FrameNumber> first_frames;
  for (uint32_t node = 0; node < nodes; ++node) {
    first_frames.push_back(node == 0 ? FrameNumber(0)
                                     : BoundaryAt(memory, FrameCount(memory.total().raw() / nodes * node)));
  }
  for (uint32_t node = 0; node < nodes; ++node) {
    const FrameNumber end = node + 1 < nodes ? first_frames[node + 1] : memory.end();
    if (first_frames[node] < end && HasMemory(memory, {first_frames[node], end})) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(nodes, " NUMA nodes share ", memory.total().in_kib() / 1024, " MiB, and node ", node,
                     " would have none: a node "
                     "is made of sections of ",
                     kGranularity.in_kib() / 1024, " MiB; give fewer nodes or more memory"));
  }
  std::vector<uint32_t> node_of_cpu(cpus);
  for (uint32_t cpu = 0; cpu < cpus; ++cpu) node_of_cpu[cpu] = static_cast<uint32_t>(uint64_t{cpu} * nodes / cpus);
  return NumaTopology(std::move(first_frames), std::move(node_of_cpu));
}

absl::StatusOr<NumaTopology> NumaTopology::Create(std::vector<FrameNumber> first_frames,
                                                  std::vector<uint32_t> node_of_cpu) {
  if (first_frames.empty() || first_frames.front() != FrameNumber(0) || node_of_cpu.empty()) {
    return absl::InvalidArgumentError("NUMA nodes: there must be a node at frame 0, and a processor");
  }
  for (size_t node = 1; node < first_frames.size(); ++node) {
    if (first_frames[node] > first_frames[node - 1] && first_frames[node].IsAligned(kMaxOrder.frames())) continue;
    return absl::InvalidArgumentError(absl::StrCat("NUMA node ", node, " begins at frame ", first_frames[node].raw(),
                                                   "; nodes must ascend, and begin at multiples of ",
                                                   kMaxOrder.frames().raw(), " frames"));
  }
  for (size_t cpu = 0; cpu < node_of_cpu.size(); ++cpu) {
    if (node_of_cpu[cpu] < first_frames.size()) continue;
    return absl::InvalidArgumentError(absl::StrCat("processor ", cpu, " is of NUMA node ", node_of_cpu[cpu],
                                                   ", but there are only ", first_frames.size()));
  }
  return NumaTopology(std::move(first_frames), std::move(node_of_cpu));
}

FrameRange NumaTopology::RangeOf(uint32_t node) const {
  return {first_frames_[node], node + 1 < nodes() ? first_frames_[node + 1] : kNoEnd};
}

std::vector<uint32_t> NumaTopology::FallbackOrder(uint32_t node) const {
  std::vector<uint32_t> order;
  for (uint32_t i = 0; i < nodes(); ++i) order.push_back((node + i) % nodes());
  return order;
}

}  // namespace dmfrag::model
