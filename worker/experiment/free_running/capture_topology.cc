#include "worker/experiment/free_running/capture_topology.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "worker/model/units.h"

namespace dmfrag::experiment {

using model::FrameNumber;

model::NumaTopology TopologyOf(const workload::ReplayInput& input) {
  const model::NumaTopology one = model::NumaTopology::OneNode(input.cpus);
  if (!input.boot.has_value()) return one;
  std::vector<FrameNumber> first_frames;
  FrameNumber end;
  for (const std::vector<model::FrameRange>& node : input.boot->nodes) {
    if (node.empty() || node.front().first < end) return one;
    first_frames.push_back(first_frames.empty() ? FrameNumber(0) : node.front().first);
    end = node.back().end;
  }
  std::vector<uint32_t> node_of_cpu(input.cpus);
  for (uint32_t cpu = 0; cpu < input.cpus; ++cpu) {
    node_of_cpu[cpu] = static_cast<uint32_t>(cpu * first_frames.size() / input.cpus);
  }
  auto topology = model::NumaTopology::Create(std::move(first_frames), std::move(node_of_cpu));
  return topology.ok() ? *std::move(topology) : one;
}

}  // namespace dmfrag::experiment
