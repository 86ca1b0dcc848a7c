#include "worker/experiment/free_running/free_running_machine.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "absl/status/status.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/experiment/free_running/sampled_start.h"
#include "worker/model/allocator_rules.h"

namespace dmfrag::experiment {

using model::FrameCount;
using model::FrameNumber;
using model::Migratetype;
using model::Order;
using workload::CpaCall;

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
                                .cpus = input.cpus,
                                .rules = rules},
                               machine->predictor_->direct_map(), random));
  ASSIGN_OR_RETURN(machine->allocator_, model::PageAllocator::FromSnapshot(state, rules));
  machine->areas_of_runs_ = input.release >= model::KernelRelease::k7_3;
  machine->highest_zone_ = state.zones.back().bounds;
  MovableFrames* frames = machine.get();  // a private base
  machine->compaction_ = std::make_unique<Compaction>(machine->allocator_.get(), machine->highest_zone_, frames);
  machine->movable_.assign(machine->highest_zone_.end.raw(), kNobody);
  machine->request_.calls.resize(1);
  return machine;
}

std::optional<FrameNumber> FreeRunningMachine::Tables::TakeTable(model::MapLevel level, FrameNumber first) {
  const std::optional<FrameNumber> table =
      machine_->allocator_->Allocate(Order(0), Migratetype::kUnmovable, machine_->cpu_);
  if (table.has_value() && level == model::MapLevel::k2M) machine_->own_tables_.Add(first, *table);
  return table;
}

void FreeRunningMachine::Tables::ReturnTable(FrameNumber table) {
  if (table != model::DirectMap::kNoFrame) machine_->allocator_->Free(table, Order(0), machine_->cpu_);
}

void FreeRunningMachine::PrepareWholeBlock(uint32_t cpu) {
  if (deferred_ > 0) {
    --deferred_;
    return;
  }
  const FrameNumber zone = highest_zone_.first;
  if (allocator_->FreeBlocksInZoneOf(zone, model::kPageblockOrder) != 0 ||
      allocator_->FreeBlocksInZoneOf(zone, model::kMaxOrder) != 0) {
    return;
  }
  if (!compaction_->MakeFreeBlock(cpu)) deferred_ = kDeferredRequests;
}

std::optional<PageId> FreeRunningMachine::Allocate(Order order, Migratetype type, uint32_t cpu) {
  cpu_ = cpu;
  if (type != Migratetype::kMovable) PrepareWholeBlock(cpu);
  const std::optional<FrameNumber> first = allocator_->Allocate(order, type, cpu);
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
  pages_[id] = {first, order, type};
  if (type == Migratetype::kMovable && order == Order(0)) movable_[first.raw()] = id;
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
  allocator_->SplitAllocated(first, order);
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
  movable_[page.first.raw()] = kNobody;
  allocator_->Free(page.first, page.order, cpu);
  unused_ids_.push_back(id);
}

void FreeRunningMachine::Change(const CpaCall& call) {
  request_.calls[0] = call;
  predictor_->Apply(request_);
  for (uint64_t i = 0; i < call.count; ++i) split_use_.Change(call.Single(i).first, call.pages_each);
  for (const workload::MapEvent& event : predictor_->map_events()) {
    if (!event.collapse && event.level == model::MapLevel::k2M) split_use_.Split(event.first);
  }
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

void FreeRunningMachine::CompactAll() { compaction_->Run(cpu_); }

bool FreeRunningMachine::IsMovable(FrameNumber frame) const { return movable_[frame.raw()] != kNobody; }

void FreeRunningMachine::Moved(FrameNumber from, FrameNumber to) {
  const PageId id = movable_[from.raw()];
  movable_[from.raw()] = kNobody;
  movable_[to.raw()] = id;
  pages_[id].first = to;
}

}  // namespace dmfrag::experiment
