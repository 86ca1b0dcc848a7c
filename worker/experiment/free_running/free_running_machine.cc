#include "worker/experiment/free_running/free_running_machine.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "absl/status/status.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/experiment/free_running/capture_topology.h"
#include "worker/experiment/free_running/sampled_start.h"
#include "worker/experiment/replay.h"
#include "worker/model/allocator_rules.h"
#include "worker/model/allocator_snapshot.h"
#include "worker/workload/words.h"

namespace dmfrag::experiment {

using model::FrameCount;
using model::FrameNumber;
using model::Migratetype;
using model::Order;
using workload::CpaCall;

absl::StatusOr<std::unique_ptr<FreeRunningMachine>> FreeRunningMachine::Create(const workload::ReplayInput& input,
                                                                               const workload::FreeCounts& start,
                                                                               workload::Random random) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Predictor> predictor, Predictor::Create(input, nullptr));
  const model::AllocatorRules rules = model::AllocatorRules::Of(input.release);
  ASSIGN_OR_RETURN(model::AllocatorSnapshot state, SampleStart({.memory = input.memory,
                                                                .mem_total = start.mem_total.value_or(FrameCount(0)),
                                                                .zones = start.types,
                                                                .topology = TopologyOf(input),
                                                                .rules = rules},
                                                               predictor->direct_map(), random));
  const std::vector<model::ZoneSnapshot>& zones = state.zones;
  auto machine = std::unique_ptr<FreeRunningMachine>(new FreeRunningMachine());
  for (size_t i = 0; i < zones.size(); ++i) {
    if (i + 1 < zones.size() && zones[i + 1].node == zones[i].node) continue;
    machine->nodes_.push_back({.highest_zone = i, .compaction = nullptr});
  }
  ASSIGN_OR_RETURN(machine->machine_,
                   model::Machine::Start({.memory = input.memory,
                                          .mapping = input.mapping,
                                          .cpus = input.cpus,
                                          .cpa_release = input.release,
                                          .allocator_release = input.release},
                                         {std::move(state), predictor->direct_map(), predictor->map_counters()}));
  machine->areas_of_runs_ = input.release >= model::KernelRelease::k7_3;
  machine->machine_->Observe(machine.get());
  model::MovableFrames* frames = machine.get();  // a private base
  for (Node& node : machine->nodes_) {
    model::PageAllocator& allocator = machine->machine_->allocator();
    node.compaction =
        std::make_unique<model::Compaction>(&allocator, allocator.InfoOf(node.highest_zone).frames, frames);
  }
  return machine;
}

bool FreeRunningMachine::SetMinFree(std::string_view action) {
  constexpr std::string_view kWrite = "write /proc/sys/vm/min_free_kbytes ";
  if (!action.starts_with(kWrite)) return false;
  const auto kib = workload::NumberOf<uint64_t>(action.substr(kWrite.size()));
  if (!kib.has_value() || *kib > allocator().managed_frames().in_kib()) return false;
  machine_->allocator().SetMinFreeKib(*kib);
  return true;
}

bool FreeRunningMachine::SetMemoryPolicy(std::string_view action) {
  constexpr std::string_view kPolicy = "mpol ";
  if (!action.starts_with(kPolicy)) return false;
  action.remove_prefix(kPolicy.size());
  std::optional<uint32_t> node;
  for (const std::string_view mode : {"bind ", "pref "}) {
    if (!action.starts_with(mode)) continue;
    node = workload::NumberOf<uint32_t>(action.substr(mode.size()));
    if (!node.has_value() || *node >= nodes_.size()) return false;
  }
  if (!node.has_value() && action != "inter" && action != "default") return false;
  bound_node_ = node;
  interleaved_ = action == "inter";
  last_node_ = static_cast<uint32_t>(nodes_.size()) - 1;
  return true;
}

uint32_t FreeRunningMachine::NodeFor(uint32_t cpu) const {
  if (!interleaved_) return bound_node_.value_or(allocator().NodeOfCpu(cpu));
  return (last_node_ + 1) % static_cast<uint32_t>(nodes_.size());
}

void FreeRunningMachine::CountBlocks(int64_t blocks) {
  if (interleaved_) last_node_ = static_cast<uint32_t>((last_node_ + blocks) % static_cast<int64_t>(nodes_.size()));
}

template <typename Call>
void FreeRunningMachine::CallOn(uint32_t cpu, const Call& call) {
  cpu_ = cpu;
  machine_->allocator().RunOn(cpu, NodeFor(cpu));
  const int64_t tables = machine_->account().table_pages;
  call(*machine_);
  CountBlocks(machine_->account().table_pages - tables);
}

void FreeRunningMachine::PrepareWholeBlock(uint32_t node, uint32_t cpu) {
  if (nodes_[node].deferred > 0) {
    --nodes_[node].deferred;
    return;
  }
  if (allocator().HasFreeBlock(nodes_[node].highest_zone, model::kPageblockOrder)) return;
  if (!nodes_[node].compaction->MakeFreeBlock(cpu)) nodes_[node].deferred = kDeferredRequests;
}

std::optional<PageId> FreeRunningMachine::Allocate(Order order, Migratetype type, uint32_t cpu) {
  cpu_ = cpu;
  const uint32_t node = NodeFor(cpu);
  CountBlocks(1);
  if (type != Migratetype::kMovable) PrepareWholeBlock(node, cpu);
  const std::optional<FrameNumber> first = machine_->allocator().AllocateOnNode(node, order, type, cpu);
  if (!first.has_value()) return std::nullopt;
  return NewPage(*first, order, type);
}

PageId FreeRunningMachine::NewPage(FrameNumber first, Order order, Migratetype type) {
  PageId id = static_cast<PageId>(pages_.size());
  if (unused_ids_.empty()) {
    pages_.emplace_back();
  } else {
    id = unused_ids_.back();
    unused_ids_.pop_back();
  }
  pages_[id] = {first, order};
  if (type == Migratetype::kMovable && order == Order(0)) SetOwner(first, id);
  return id;
}

PageId FreeRunningMachine::Adopt(FrameNumber first, Order order) {
  return NewPage(first, order, Migratetype::kUnmovable);
}

std::vector<PageId> FreeRunningMachine::AllocateRun(Order order, uint32_t cpu) {
  std::vector<PageId> pages;
  const std::optional<PageId> whole = Allocate(order, Migratetype::kUnmovable, cpu);
  if (!whole.has_value()) return pages;
  pages.push_back(*whole);
  if (order == Order(0)) return pages;
  const FrameNumber first = pages_[*whole].first;
  machine_->allocator().SplitAllocated(first, order);
  pages_[*whole].order = Order(0);
  for (FrameNumber frame = first + FrameCount(1); frame < first + order.frames(); frame = frame + FrameCount(1)) {
    pages.push_back(NewPage(frame, Order(0), Migratetype::kUnmovable));
  }
  return pages;
}

// mm/vmalloc.c vm_area_alloc_pages: 7.x asks for the largest runs that the rest of the area holds, and goes on with
// smaller ones where there are none; before, alloc_pages_bulk takes single pages.
std::vector<PageId> FreeRunningMachine::AllocateArea(uint64_t count, uint32_t cpu) {
  std::vector<PageId> pages;
  unsigned largest = areas_of_runs_ ? model::kMaxOrder.raw() : 0;
  while (pages.size() < count) {
    const auto fits = static_cast<unsigned>(std::bit_width(count - pages.size()) - 1);
    const Order order(std::min(largest, fits));
    const std::vector<PageId> run = AllocateRun(order, cpu);
    pages.insert(pages.end(), run.begin(), run.end());
    if (!run.empty()) continue;
    if (order == Order(0)) break;
    largest = order.raw() - 1;
  }
  return pages;
}

void FreeRunningMachine::Free(PageId id, uint32_t cpu) {
  const Page& page = pages_[id];
  machine_->allocator().Free(page.first, page.order, cpu);
  unused_ids_.push_back(id);
}

void FreeRunningMachine::Change(const CpaCall& call) {
  CallOn(cpu_, [&](model::Machine& machine) {
    for (uint64_t i = 0; i < call.count; ++i) machine.Change(RequestOf(call, call.Single(i).first));
  });
}

void FreeRunningMachine::OnRequest(const model::AttributeRequest& request) {
  split_use_.Change(request.range.first, request.range.count());
}

void FreeRunningMachine::OnSplit(model::MapLevel level, FrameNumber first) {
  if (level == model::MapLevel::k2M) split_use_.Split(first);
}

OwnTableCounts FreeRunningMachine::tables() const {
  const model::EventCounters& events = machine_->account();
  return {static_cast<uint64_t>(events.splits_2m), static_cast<uint64_t>(events.table_pages_in_split_block)};
}

void FreeRunningMachine::HidePage(PageId page, uint32_t cpu) {
  CallOn(cpu, [&](model::Machine& machine) { machine.SetDirectMapInvalidNoflush(pages_[page].first, FrameCount(1)); });
}

void FreeRunningMachine::ShowPage(PageId page, uint32_t cpu) {
  CallOn(cpu, [&](model::Machine& machine) { machine.SetDirectMapDefaultNoflush(pages_[page].first, FrameCount(1)); });
}

void FreeRunningMachine::CompactAll() {
  for (const Node& node : nodes_) node.compaction->Run(cpu_);
}

uint64_t FreeRunningMachine::moved_frames() const {
  uint64_t frames = 0;
  for (const Node& node : nodes_) frames += node.compaction->moved_frames();
  return frames;
}

void FreeRunningMachine::SetOwner(FrameNumber frame, PageId id) {
  machine_->allocator().SetOwner(frame, {.object = id, .page = 0});
}

bool FreeRunningMachine::IsMovable(FrameNumber frame) const { return allocator().OwnerOf(frame).has_value(); }

void FreeRunningMachine::Moved(FrameNumber from, FrameNumber to) {
  const PageId id = allocator().OwnerOf(from)->object;
  SetOwner(to, id);
  pages_[id].first = to;
}

}  // namespace dmfrag::experiment
