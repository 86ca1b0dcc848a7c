#include "worker/experiment/free_running/free_running_machine.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/status/status.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/experiment/free_running/sampled_start.h"
#include "worker/model/allocator_rules.h"
#include "worker/model/numa_topology.h"

namespace dmfrag::experiment {

using model::FrameCount;
using model::FrameNumber;
using model::Migratetype;
using model::Order;
using workload::CpaCall;

namespace {

// Nodes as the kernel's log names them, with equal shares of the processors, in blocks (as the SRAT lines of the 6.1
// captures say, and pages of pinned threads in all). One node if none is named, or nodes are interleaved.
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

}  // namespace

absl::StatusOr<std::unique_ptr<FreeRunningMachine>> FreeRunningMachine::Create(const workload::ReplayInput& input,
                                                                               const workload::FreeCounts& start,
                                                                               workload::Random random) {
  auto machine = std::unique_ptr<FreeRunningMachine>(new FreeRunningMachine());
  ASSIGN_OR_RETURN(machine->predictor_, Predictor::Create(input, &machine->tables_));
  const model::AllocatorRules rules = model::AllocatorRules::Of(input.release);
  ASSIGN_OR_RETURN(const model::AllocatorSnapshot state,
                   SampleStart({.memory = input.memory,
                                .mem_total = start.mem_total.value_or(FrameCount(0)),
                                .zones = start.types,
                                .topology = TopologyOf(input),
                                .rules = rules},
                               machine->predictor_->direct_map(), random));
  ASSIGN_OR_RETURN(machine->allocator_, model::PageAllocator::FromSnapshot(state, rules));
  model::MovableFrames* frames = machine.get();  // a private base
  for (size_t i = 0; i < state.zones.size(); ++i) {
    const model::FrameRange zone = state.zones[i].bounds;
    if (i + 1 < state.zones.size() && state.zones[i + 1].node == state.zones[i].node) continue;
    machine->nodes_.push_back({zone, std::make_unique<model::Compaction>(machine->allocator_.get(), zone, frames), 0});
  }
  machine->movable_.assign(state.zones.back().bounds.end.raw(), kNobody);
  machine->request_.calls.resize(1);
  return machine;
}

std::optional<FrameNumber> FreeRunningMachine::Tables::TakeTable(model::MapLevel, FrameNumber) {
  return machine_->allocator_->AllocateOnNode(machine_->NextNode(machine_->cpu_), Order(0), Migratetype::kUnmovable,
                                              machine_->cpu_);
}

void FreeRunningMachine::Tables::ReturnTable(FrameNumber table) {
  if (table != model::DirectMap::kNoFrame) machine_->allocator_->Free(table, Order(0), machine_->cpu_);
}

bool FreeRunningMachine::SetMinFree(std::string_view action) {
  constexpr std::string_view kWrite = "write /proc/sys/vm/min_free_kbytes ";
  if (!action.starts_with(kWrite)) return false;
  uint64_t kib = 0;
  const auto parsed = std::from_chars(action.data() + kWrite.size(), action.data() + action.size(), kib);
  if (parsed.ec != std::errc() || kib > allocator_->managed_frames().in_kib()) return false;
  allocator_->SetMinFreeKib(kib);
  return true;
}

bool FreeRunningMachine::SetMemoryPolicy(std::string_view action) {
  constexpr std::string_view kPolicy = "mpol ";
  if (!action.starts_with(kPolicy)) return false;
  action.remove_prefix(kPolicy.size());
  std::optional<uint32_t> node;
  for (const std::string_view mode : {"bind ", "pref "}) {
    if (!action.starts_with(mode)) continue;
    uint32_t number = 0;
    const auto parsed = std::from_chars(action.data() + mode.size(), action.data() + action.size(), number);
    if (parsed.ec != std::errc() || number >= nodes_.size()) return false;
    node = number;
  }
  if (!node.has_value() && action != "inter" && action != "default") return false;
  bound_node_ = node;
  interleaved_ = action == "inter";
  last_node_ = static_cast<uint32_t>(nodes_.size()) - 1;
  return true;
}

uint32_t FreeRunningMachine::NextNode(uint32_t cpu) {
  if (!interleaved_) return bound_node_.value_or(allocator_->NodeOfCpu(cpu));
  return last_node_ = (last_node_ + 1) % static_cast<uint32_t>(nodes_.size());
}

void FreeRunningMachine::PrepareWholeBlock(uint32_t node, uint32_t cpu) {
  if (nodes_[node].deferred > 0) {
    --nodes_[node].deferred;
    return;
  }
  const FrameNumber zone = nodes_[node].highest_zone.first;
  if (allocator_->FreeBlocksInZoneOf(zone, model::kPageblockOrder) != 0 ||
      allocator_->FreeBlocksInZoneOf(zone, model::kMaxOrder) != 0) {
    return;
  }
  if (!nodes_[node].compaction->MakeFreeBlock(cpu)) nodes_[node].deferred = kDeferredRequests;
}

std::optional<PageId> FreeRunningMachine::Allocate(Order order, Migratetype type, uint32_t cpu) {
  cpu_ = cpu;
  const uint32_t node = NextNode(cpu);
  if (type != Migratetype::kMovable) PrepareWholeBlock(node, cpu);
  const std::optional<FrameNumber> first = allocator_->AllocateOnNode(node, order, type, cpu);
  if (!first.has_value()) return std::nullopt;
  PageId id = static_cast<PageId>(pages_.size());
  if (unused_ids_.empty()) {
    pages_.emplace_back();
  } else {
    id = unused_ids_.back();
    unused_ids_.pop_back();
  }
  pages_[id] = {*first, order, type};
  if (type == Migratetype::kMovable && order == Order(0)) movable_[first->raw()] = id;
  return id;
}

void FreeRunningMachine::Free(PageId id, uint32_t cpu) {
  const Page& page = pages_[id];
  movable_[page.first.raw()] = kNobody;
  allocator_->Free(page.first, page.order, cpu);
  unused_ids_.push_back(id);
}

void FreeRunningMachine::Change(const CpaCall& call) {
  request_.calls[0] = call;
  predictor_->Apply(request_);
}

void FreeRunningMachine::ChangePage(PageId page, CpaCall::Op op, uint32_t cpu) {
  cpu_ = cpu;
  CpaCall call;
  call.op = op;
  call.first = pages_[page].first;
  Change(call);
}

void FreeRunningMachine::HidePage(PageId page, uint32_t cpu) {
  ChangePage(page, CpaCall::Op::kSetDirectMapInvalid, cpu);
}

void FreeRunningMachine::ShowPage(PageId page, uint32_t cpu) {
  ChangePage(page, CpaCall::Op::kSetDirectMapDefault, cpu);
}

void FreeRunningMachine::CompactAll() {
  for (const Node& node : nodes_) node.compaction->Run(cpu_);
}

uint64_t FreeRunningMachine::moved_frames() const {
  uint64_t frames = 0;
  for (const Node& node : nodes_) frames += node.compaction->moved_frames();
  return frames;
}

bool FreeRunningMachine::IsMovable(FrameNumber frame) const { return movable_[frame.raw()] != kNobody; }

void FreeRunningMachine::Moved(FrameNumber from, FrameNumber to) {
  const PageId id = movable_[from.raw()];
  movable_[from.raw()] = kNobody;
  movable_[to.raw()] = id;
  pages_[id].first = to;
}

}  // namespace dmfrag::experiment
