#include "client/capture/cpu_merge.h"

#include <algorithm>
#include <queue>
#include <utility>

#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::client {
namespace {

// An interrupt's records may stand between a record and its stack; so many are looked back over.
constexpr size_t kMostBetween = 16;

}  // namespace

void CpuMerge::Push(TraceRecord record) {
  const size_t cpu = record.event.cpu;
  if (cpu >= queues_.size()) queues_.resize(cpu + 1);
  latest_ns_ = std::max(latest_ns_, record.time_ns);
  if (record.what == TraceRecord::What::kStack) {
    AttachStack(queues_[cpu], std::move(record));
    return;
  }
  queues_[cpu].push_back(std::move(record));
  ++waiting_;
}

void CpuMerge::AttachStack(std::deque<TraceRecord>& queue, TraceRecord stack) {
  size_t looked_at = 0;
  for (auto record = queue.rbegin(); record != queue.rend() && looked_at < kMostBetween; ++record, ++looked_at) {
    if (record->what != TraceRecord::What::kEvent || record->event.kind == recording::Event::Kind::kLost) continue;
    if (record->pid != stack.pid || !record->stack.empty()) continue;
    record->stack = std::move(stack.stack);
    return;
  }
}

absl::Status CpuMerge::EmitUntil(uint64_t time_ns, absl::FunctionRef<absl::Status(const TraceRecord&)> sink) {
  using Head = std::pair<uint64_t, size_t>;
  std::priority_queue<Head, std::vector<Head>, std::greater<Head>> heads;
  const auto add_head = [&](size_t cpu) {
    if (!queues_[cpu].empty() && queues_[cpu].front().time_ns <= time_ns) {
      heads.emplace(queues_[cpu].front().time_ns, cpu);
    }
  };
  for (size_t cpu = 0; cpu < queues_.size(); ++cpu) add_head(cpu);
  while (!heads.empty()) {
    const size_t cpu = heads.top().second;
    heads.pop();
    const TraceRecord record = std::move(queues_[cpu].front());
    queues_[cpu].pop_front();
    --waiting_;
    add_head(cpu);
    RETURN_IF_ERROR(sink(record));
  }
  return absl::OkStatus();
}

}  // namespace dmfrag::client
