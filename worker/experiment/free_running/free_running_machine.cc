#include "worker/experiment/free_running/free_running_machine.h"

#include <utility>

#include "absl/status/status.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/experiment/free_running/sampled_start.h"
#include "worker/experiment/replay.h"
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
  ASSIGN_OR_RETURN(const std::unique_ptr<Predictor> predictor, Predictor::Create(input, nullptr));
  const model::AllocatorRules rules = model::AllocatorRules::Of(input.release);
  ASSIGN_OR_RETURN(model::AllocatorSnapshot state, SampleStart({.memory = input.memory,
                                                                .mem_total = start.mem_total.value_or(FrameCount(0)),
                                                                .zones = start.types,
                                                                .cpus = input.cpus,
                                                                .rules = rules},
                                                               predictor->direct_map(), random));
  auto machine = std::unique_ptr<FreeRunningMachine>(new FreeRunningMachine());
  machine->highest_zone_ = state.zones.back().bounds;
  ASSIGN_OR_RETURN(machine->machine_,
                   model::Machine::Start({.memory = input.memory,
                                          .mapping = input.mapping,
                                          .cpus = input.cpus,
                                          .cpa_release = input.release,
                                          .allocator_release = input.release},
                                         {std::move(state), predictor->direct_map(), predictor->map_counters()}));
  machine->machine_->Observe(machine.get());
  MovableFrames* frames = machine.get();  // a private base
  machine->compaction_ = std::make_unique<Compaction>(&machine->machine_->allocator(), machine->highest_zone_, frames);
  machine->movable_.assign(machine->highest_zone_.end.raw(), kNobody);
  return machine;
}

void FreeRunningMachine::PrepareWholeBlock(uint32_t cpu) {
  if (deferred_ > 0) {
    --deferred_;
    return;
  }
  const FrameNumber zone = highest_zone_.first;
  if (allocator().FreeBlocksInZoneOf(zone, model::kPageblockOrder) != 0 ||
      allocator().FreeBlocksInZoneOf(zone, model::kMaxOrder) != 0) {
    return;
  }
  if (!compaction_->MakeFreeBlock(cpu)) deferred_ = kDeferredRequests;
}

std::optional<PageId> FreeRunningMachine::Allocate(Order order, Migratetype type, uint32_t cpu) {
  cpu_ = cpu;
  if (type != Migratetype::kMovable) PrepareWholeBlock(cpu);
  const std::optional<FrameNumber> first = machine_->allocator().Allocate(order, type, cpu);
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
  machine_->allocator().Free(page.first, page.order, cpu);
  unused_ids_.push_back(id);
}

void FreeRunningMachine::Change(const CpaCall& call) {
  machine_->RunOn(cpu_);
  for (uint64_t i = 0; i < call.count; ++i) machine_->Change(RequestOf(call, call.Single(i).first));
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
  cpu_ = cpu;
  machine_->RunOn(cpu);
  machine_->SetDirectMapInvalidNoflush(pages_[page].first, FrameCount(1));
}

void FreeRunningMachine::ShowPage(PageId page, uint32_t cpu) {
  cpu_ = cpu;
  machine_->RunOn(cpu);
  machine_->SetDirectMapDefaultNoflush(pages_[page].first, FrameCount(1));
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
