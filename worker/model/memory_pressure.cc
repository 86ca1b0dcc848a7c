#include "worker/model/memory_pressure.h"

#include <algorithm>

namespace dmfrag::model {
namespace {

using ZoneInfo = PageAllocator::ZoneInfo;

constexpr Order kCostlyOrder(3);            // PAGE_ALLOC_COSTLY_ORDER
constexpr FrameCount kSwapClusterMax(32);   // pages reclaimed at a time
constexpr FrameCount kShrinkBatch(128);     // SHRINK_BATCH
constexpr int64_t kExtfragThreshold = 500;  // sysctl_extfrag_threshold, of 1000

// compact_gap: compaction takes free pages as targets before it makes some.
FrameCount CompactGap(Order order) { return FrameCount(2 * order.frames().raw()); }

}  // namespace

MemoryPressure::MemoryPressure(Machine* machine, PageHolders* holders)
    : machine_(machine), allocator_(&machine->allocator()), holders_(holders) {
  for (size_t zone = 0; zone < allocator_->zones(); ++zone) {
    zones_.push_back({Compaction(allocator_, allocator_->InfoOf(zone).frames, holders), {}});
  }
  allocator_->SetSlowPath(this);
}

MemoryPressure::~MemoryPressure() { allocator_->SetSlowPath(nullptr); }

std::optional<FrameNumber> MemoryPressure::AllocateSlowly(uint32_t node, Order order, Migratetype type, uint32_t cpu) {
  const Request request{node, order, type, cpu};
  // wakeup_kswapd: for the largest order, and the highest zone, that somebody wants.
  if (!woken_.has_value()) woken_ = {order, type};
  woken_->order = std::max(woken_->order, order);
  if (type == Migratetype::kMovable) woken_->type = type;
  if (const auto block = AllocateDownToMin(request); block.has_value() || at_work_) return block;
  at_work_ = true;
  const std::optional<FrameNumber> block = MakeRoom(request);
  at_work_ = false;
  return block;
}

// __alloc_pages_slowpath, after its first attempt.
std::optional<FrameNumber> MemoryPressure::MakeRoom(const Request& request) {
  const bool costly = request.order > kCostlyOrder;
  const bool may_compact = request.order > Order(0);
  if (may_compact && (costly || request.type != Migratetype::kMovable)) {
    const auto block = CompactAndAllocate(request, Effort::kAsync);
    if (block.has_value()) return block;
  }
  for (;;) {
    const FrameCount reclaimed = DirectReclaim(request.order, request.type);
    std::optional<FrameNumber> block;
    if (reclaimed > FrameCount(0)) {
      block = AllocateDownToMin(request);
      if (!block.has_value()) {
        allocator_->DrainPerCpu();
        block = AllocateDownToMin(request);
      }
    }
    if (!block.has_value() && may_compact) block = CompactAndAllocate(request, Effort::kSyncLight);
    if (block.has_value() || costly || reclaimed == FrameCount(0)) return block;
  }
}

// __alloc_pages_direct_compact, try_to_compact_pages.
std::optional<FrameNumber> MemoryPressure::CompactAndAllocate(const Request& request, Effort effort) {
  bool tried = false;
  bool made = false;
  size_t zone = zones_.size();
  while (!made && zone-- > 0) {
    CompactionDeferral& deferral = zones_[zone].deferral;
    if (!allocator_->MayUse(zone, request.type) || deferral.IsDeferred(request.order)) continue;
    if (!SuitsCompaction(zone, request.order, request.type)) continue;
    tried = true;
    made = CompactZone(zone, request.order, request.cpu);
    if (!made && effort == Effort::kSyncLight) deferral.Failed(request.order);
  }
  if (!tried) return std::nullopt;
  const std::optional<FrameNumber> block = AllocateDownToMin(request);
  ++(block.has_value() ? machine_->account().compact_success : machine_->account().compact_fail);
  if (block.has_value() && made) zones_[zone].deferral.Succeeded(request.order, /*allocated=*/true);
  return block;
}

bool MemoryPressure::CompactZone(size_t zone, Order order, uint32_t cpu) {
  Compaction& compaction = zones_[zone].compaction;
  const uint64_t before = compaction.moved_frames();
  const bool made = compaction.MakeFreeBlock(cpu, order);
  machine_->account().pages_moved += static_cast<int64_t>(compaction.moved_frames() - before);
  if (made) zones_[zone].deferral.Succeeded(order, /*allocated=*/false);
  return made;
}

// do_try_to_free_pages, which leaves zones alone that compaction_ready accepts; should_continue_reclaim.
FrameCount MemoryPressure::DirectReclaim(Order order, Migratetype type) {
  const auto any_zone = [this](auto holds) {
    for (size_t zone = 0; zone < zones_.size(); ++zone) {
      if (holds(zone)) return true;
    }
    return false;
  };
  const auto is_ready = [&](size_t zone) {
    return IsAbove(zone, &ZoneInfo::min_mark, order, type) ||
           (SuitsCompaction(zone, order, type) && HasRoomToCompact(zone, &ZoneInfo::high_mark, order, type));
  };
  if (order > kCostlyOrder && any_zone(is_ready)) return FrameCount(0);
  const auto can_go_on = [&](size_t zone) {
    return IsAbove(zone, &ZoneInfo::min_mark, order, type) || SuitsCompaction(zone, order, type);
  };
  FrameCount reclaimed = DropPageCache();
  for (FrameCount last = reclaimed; order > Order(0) && last > FrameCount(0) && !any_zone(can_go_on);) {
    last = DropPageCache();
    reclaimed += last;
  }
  return reclaimed > FrameCount(0) ? reclaimed : holders_->ShrinkCaches(kShrinkBatch);
}

FrameCount MemoryPressure::DropPageCache() {
  const FrameCount dropped = holders_->DropPageCache(kSwapClusterMax);
  machine_->account().pages_reclaimed += static_cast<int64_t>(dropped.raw());
  // While kswapd is awake, as it is by now, per-CPU lists keep next to nothing (ZONE_RECLAIM_ACTIVE).
  if (dropped > FrameCount(0)) allocator_->DrainPerCpu();
  return dropped;
}

// balance_pgdat: once it has freed what compaction for a larger order needs, it goes on for single pages alone.
void MemoryPressure::RunKswapd(uint32_t cpu) {
  const auto [order, type] = *woken_;
  woken_.reset();
  Order wanted = order;
  FrameCount reclaimed;
  while (!IsBalanced(wanted, type)) {
    const FrameCount dropped = DropPageCache();
    if (dropped == FrameCount(0)) break;
    reclaimed += dropped;
    if (reclaimed >= CompactGap(wanted)) wanted = Order(0);
  }
  if (order > Order(0)) RunKcompactd(order, type, cpu);
}

// kcompactd_do_work.
void MemoryPressure::RunKcompactd(Order order, Migratetype type, uint32_t cpu) {
  for (size_t zone = 0; zone < zones_.size(); ++zone) {
    CompactionDeferral& deferral = zones_[zone].deferral;
    if (!allocator_->MayUse(zone, type) || deferral.IsDeferred(order)) continue;
    if (IsAbove(zone, &ZoneInfo::min_mark, order, type) || !SuitsCompaction(zone, order, type)) continue;
    if (!CompactZone(zone, order, cpu)) deferral.Failed(order);
  }
}

bool MemoryPressure::IsAbove(size_t zone, FrameCount ZoneInfo::*mark, Order order, Migratetype type) const {
  if (!allocator_->MayUse(zone, type)) return false;
  const ZoneInfo info = allocator_->InfoOf(zone);
  if (info.free < info.*mark + info.ReserveFor(type) + order.frames()) return false;
  return order == Order(0) || allocator_->HasFreeBlock(zone, order);
}

// pgdat_balanced: one zone is enough.
bool MemoryPressure::IsBalanced(Order order, Migratetype type) const {
  for (size_t zone = 0; zone < zones_.size(); ++zone) {
    if (IsAbove(zone, &ZoneInfo::high_mark, order, type)) return true;
  }
  return false;
}

bool MemoryPressure::HasRoomToCompact(size_t zone, FrameCount ZoneInfo::*mark, Order order, Migratetype type) const {
  if (!allocator_->MayUse(zone, type)) return false;
  const ZoneInfo info = allocator_->InfoOf(zone);
  return info.free > info.*mark + info.ReserveFor(type) + CompactGap(order);
}

// compaction_suitable: for costly orders it also asks whether the want is of large blocks rather than of memory
// (fragmentation_index).
bool MemoryPressure::SuitsCompaction(size_t zone, Order order, Migratetype type) const {
  if (order <= kCostlyOrder) return HasRoomToCompact(zone, &ZoneInfo::min_mark, order, type);
  if (!HasRoomToCompact(zone, &ZoneInfo::low_mark, order, type)) return false;
  if (allocator_->HasFreeBlock(zone, order)) return true;
  const ZoneInfo info = allocator_->InfoOf(zone);
  int64_t blocks = 0;  // more than none: what is free lies in smaller blocks
  for (unsigned smaller = 0; smaller < order.raw(); ++smaller) {
    blocks += static_cast<int64_t>(allocator_->FreeBlocksInZoneOf(info.frames.first, Order(smaller)));
  }
  const int64_t wanted_blocks = static_cast<int64_t>(info.free.raw() * 1000 / order.frames().raw());
  return 1000 - (1000 + wanted_blocks) / blocks > kExtfragThreshold;
}

}  // namespace dmfrag::model
