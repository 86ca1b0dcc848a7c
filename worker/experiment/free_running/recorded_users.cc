#include "worker/experiment/free_running/recorded_users.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <string_view>
#include <unordered_set>

#include "worker/model/direct_map.h"
#include "worker/model/entry_flags.h"
#include "worker/model/kernel_release.h"

namespace dmfrag::experiment {
namespace {

using model::FrameCount;
using model::FrameNumber;
using model::Migratetype;
using model::Order;
using workload::CpaCall;

bool IsLoad(std::string_view action) {
  for (const std::string_view name : {"insmod ", "insall ", "ebpf ", "cbpf "}) {
    if (action.starts_with(name)) return true;
  }
  return false;
}

bool IsUnload(std::string_view action) { return action.starts_with("rmmod ") || action.starts_with("rmall"); }

// Steps whose calls are secret pages'; the expander makes those itself.
bool IsSecret(std::string_view action) {
  for (const std::string_view name : {"secret ", "psecret ", "pfree ", "churn ", "pchurn "}) {
    if (action.starts_with(name)) return true;
  }
  return false;
}

}  // namespace

RecordedUsers::RecordedUsers(const workload::ReplayInput& input, FreeRunningMachine* machine, workload::Random random)
    : machine_(machine),
      areas_of_runs_(input.release >= model::KernelRelease::k7_3),
      drains_after_unload_(input.release >= model::KernelRelease::k6_12),
      traffic_(machine, input.release, input.cpus, random) {
  for (const workload::ReplayStep& step : input.steps) {
    recorded_ = recorded_ || step.source == workload::RequestSource::kCpaCalls;
  }
  FindPagesOfLoads(input);
  FindPagesInUse();
}

void RecordedUsers::FindPagesInUse() {
  machine_->direct_map().ForEachRun([&](const model::LeafRun& run) {
    if (run.flags.Has(model::EntryFlags::kPresent) && !run.flags.Has(model::EntryFlags::kWritable)) {
      in_use_.push_back({run.first, run.first + run.frames});
    }
  });
}

bool RecordedUsers::IsInUse(FrameNumber first) const {
  const auto next =
      std::upper_bound(in_use_.begin(), in_use_.end(), first,
                       [](FrameNumber frame, const model::FrameRange& range) { return frame < range.first; });
  return next != in_use_.begin() && std::prev(next)->Contains(first);
}

void RecordedUsers::FindPagesOfLoads(const workload::ReplayInput& input) {
  std::unordered_set<uint64_t> known;
  std::optional<int32_t> load;
  for (const workload::ReplayStep& step : input.steps) {
    if (IsSecret(step.action)) {
      for (const CpaCall& call : step.calls) {
        for (uint64_t i = 0; i < call.count; ++i) known.insert(call.Single(i).first.raw());
      }
      continue;
    }
    const std::optional<int32_t> before = load;
    if (IsLoad(step.action)) load = step.index;
    for (const CpaCall& call : step.calls) {
      for (uint64_t i = 0; i < call.count && call.pages_each == FrameCount(1); ++i) {
        const FrameNumber frame = call.Single(i).first;
        if (call.op == CpaCall::Op::kSetDirectMapDefault) {
          known.erase(frame.raw());
        } else if (known.insert(frame.raw()).second && call.op == CpaCall::Op::kSetDirectMapInvalid &&
                   before.has_value() && before == load) {
          more_pages_of_load_[*before].push_back(frame);
        }
      }
    }
  }
}

const RecordedUsers::Block* RecordedUsers::Find(FrameNumber frame, FrameNumber* first) const {
  auto next = blocks_.upper_bound(frame.raw());
  if (next == blocks_.begin()) return nullptr;
  --next;
  if (frame.raw() >= next->first + next->second.frames) return nullptr;
  *first = FrameNumber(next->first);
  return &next->second;
}

const RecordedUsers::Block* RecordedUsers::BlockOf(FrameNumber first, uint64_t frames) {
  FrameNumber start;
  if (const Block* block = Find(first, &start); block != nullptr) return block;
  const Order order(static_cast<unsigned>(std::bit_width(frames - 1)));
  if (order > model::kMaxOrder) return nullptr;
  if (IsInUse(first)) return &(blocks_[first.raw()] = {machine_->Adopt(first, order), order.frames().raw()});
  if (order == Order(0)) {
    while (loading_ && named_.left() > 0 && Find(first, &start) == nullptr) GiveOutPart();
    if (Find(first, &start) == nullptr) GiveOutRun(first, order);
    return Find(first, &start);
  }
  const auto page = machine_->Allocate(order, Migratetype::kUnmovable, traffic_.cpu());
  if (!page.has_value()) return nullptr;
  return &(blocks_[first.raw()] = {*page, order.frames().raw()});
}

Order RecordedUsers::RunAt(const std::vector<FrameNumber>& frames, size_t index) const {
  const FrameNumber first = frames[index];
  FrameNumber start;
  unsigned order = 0;
  while (areas_of_runs_ && Order(order) < model::kMaxOrder && first.IsAligned(Order(order + 1).frames()) &&
         index + Order(order + 1).frames().raw() <= frames.size()) {
    for (uint64_t i = Order(order).frames().raw(); i < Order(order + 1).frames().raw(); ++i) {
      const FrameNumber frame = first + FrameCount(i);
      if (frames[index + i] != frame || Find(frame, &start) != nullptr || IsInUse(frame)) return Order(order);
    }
    ++order;
  }
  return Order(order);
}

void RecordedUsers::GiveOutRun(FrameNumber first, Order order) {
  const std::vector<PageId> pages = machine_->AllocateRun(order, traffic_.cpu());
  for (uint64_t i = 0; i < pages.size(); ++i) blocks_[first.raw() + i] = {pages[i], 1};
}

void RecordedUsers::ApplyOnPages(const CpaCall& recorded) {
  for (uint64_t i = 0; i < recorded.count; ++i) {
    CpaCall call = recorded.Single(i);
    const Block* block = BlockOf(call.first, call.pages_each.raw());
    if (block == nullptr) continue;
    FrameNumber first;
    Find(call.first, &first);
    const FrameCount offset = call.first - first;
    call.first = machine_->FrameOf(block->page) + offset;
    machine_->Change(call);
    if (call.op != CpaCall::Op::kSetDirectMapDefault || call.pages_each.raw() != block->frames) continue;
    machine_->Free(block->page, traffic_.cpu());
    traffic_.ModulePagesFreed(1);
    blocks_.erase(first.raw());
  }
}

// dmalloc ORDER; then dmat and dmpage on pages of that block, and dmabs on a frame that the script names.
bool RecordedUsers::ApplyOnTestBlock(const workload::ReplayStep& step) {
  const std::string_view action = step.action;
  if (action.starts_with("dmalloc ")) {
    unsigned order = 0;
    std::from_chars(action.data() + 8, action.data() + action.size(), order);
    if (order > model::kMaxOrder.raw()) return false;
    test_block_ = machine_->Allocate(Order(order), Migratetype::kUnmovable, /*cpu=*/0);
    return true;
  }
  const bool on_block = action.starts_with("dmat ") || action.starts_with("dmpage ");
  if (!on_block && !action.starts_with("dmabs ")) return false;
  for (const CpaCall& recorded : step.calls) {
    CpaCall call = recorded;
    if (on_block && test_block_.has_value()) {
      const FrameCount block = machine_->OrderOf(*test_block_).frames();
      call.first = machine_->FrameOf(*test_block_) + (recorded.first - recorded.first.AlignedDown(block));
    }
    machine_->Change(call);
  }
  return true;
}

std::vector<FrameNumber> RecordedUsers::NewPages(const workload::ReplayStep& step) const {
  std::unordered_set<uint64_t> known;
  for (const CpaCall& call : step.calls) {
    for (uint64_t i = 0; i < call.count && call.pages_each > FrameCount(1); ++i) {
      const FrameNumber first = call.Single(i).first;
      for (uint64_t page = 0; page < call.pages_each.raw(); ++page) known.insert(first.raw() + page);
    }
  }
  std::vector<FrameNumber> pages;
  FrameNumber first;
  for (const CpaCall& call : step.calls) {
    for (uint64_t i = 0; i < call.count && call.pages_each == FrameCount(1); ++i) {
      const FrameNumber frame = call.Single(i).first;
      if (known.insert(frame.raw()).second && Find(frame, &first) == nullptr && !IsInUse(frame)) pages.push_back(frame);
    }
  }
  return pages;
}

void RecordedUsers::BeginLoad(const workload::ReplayStep& step) {
  named_ = {NewPages(step), 0};
  later_ = {};
  if (const auto more = more_pages_of_load_.find(step.index); more != more_pages_of_load_.end()) {
    later_.frames = more->second;
  }
  traffic_.Begin(step.action, named_.frames.size() + later_.frames.size());
}

void RecordedUsers::GiveOutPart() {
  const uint64_t part = traffic_.NextPart();
  const uint64_t left = named_.left() + later_.left();
  const uint64_t later = left == 0 ? 0 : part * later_.left() / left;
  GiveOutNext(part - later, &named_);
  GiveOutNext(later, &later_);
}

void RecordedUsers::GiveOutNext(uint64_t pages, Queue* queue) {
  FrameNumber start;
  while (pages > 0 && queue->left() > 0) {
    const FrameNumber first = queue->frames[queue->next];
    const bool has_page = Find(first, &start) != nullptr || IsInUse(first);
    const Order order = has_page ? Order(0) : RunAt(queue->frames, queue->next);
    if (!has_page) GiveOutRun(first, order);
    queue->next += order.frames().raw();
    pages -= std::min(pages, order.frames().raw());
  }
}

bool RecordedUsers::ApplyUnrecorded(std::string_view action) {
  if (action.starts_with("insmod ") || action.starts_with("insall ")) {
    traffic_.LoadUnrecorded(action);
    return true;
  }
  if (IsUnload(action)) {
    traffic_.UnloadUnrecorded();
    if (drains_after_unload_ && action.starts_with("rmall")) machine_->DrainPerCpu();
    return true;
  }
  return false;
}

bool RecordedUsers::Apply(const workload::ReplayStep& step) {
  if (ApplyOnTestBlock(step)) return true;
  if (IsSecret(step.action)) return false;
  if (!recorded_ && ApplyUnrecorded(step.action)) return true;
  const bool freed = traffic_.FreePrograms(step.action);
  loading_ = LoadTraffic::IsLoad(step.action);
  if (loading_) BeginLoad(step);
  for (const CpaCall& call : step.calls) ApplyOnPages(call);
  if (loading_) {
    GiveOutNext(later_.left(), &later_);
    traffic_.End();
  }
  if (drains_after_unload_ && step.action.starts_with("rmall")) machine_->DrainPerCpu();
  return !step.calls.empty() || freed || loading_;
}

}  // namespace dmfrag::experiment
