#include "worker/model/page_allocator.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/check.h"

namespace dmfrag::model {
namespace {

// The ISA range is not given out; boot code and firmware keep it.
constexpr FrameNumber kFirstManaged(256);
// sysctl_lowmem_reserve_ratio of DMA and DMA32, and of Normal.
constexpr uint64_t kLowmemReserveRatio = 256;
constexpr uint64_t kNormalReserveRatio = 32;
// Bounds of ZONE_MOVABLE's WMARK_MIN, in frames.
constexpr uint64_t kSwapClusterMax = 32;
constexpr uint64_t kMaxCappedMark = 128;
// watermark_scale_factor 10, in 10,000ths.
constexpr uint64_t kWatermarkScale = 10;

uint64_t IntegerSqrt(uint64_t value) {
  uint64_t low = 0;
  uint64_t high = uint64_t{1} << 32;
  while (low + 1 < high) {
    const uint64_t middle = (low + high) / 2;
    (middle * middle <= value ? low : high) = middle;
  }
  return low;
}

// From WMARK_MIN to WMARK_LOW of a zone that manages `managed` frames and has `share` of min_free_kbytes
// (__setup_per_zone_wmarks).
uint64_t MarkDistance(uint64_t share, FrameCount managed) {
  return std::max(share / 4, managed.raw() * kWatermarkScale / 10000);
}

uint64_t Share(uint64_t of, FrameCount part, FrameCount whole) {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(of) * part.raw() / whole.raw());
}

}  // namespace

PageAllocator::PageAllocator(FrameNumber end, const NumaTopology& topology)
    : table_(end), end_(end), node_of_cpu_(topology.node_of_cpu()) {}

PageAllocator::PageAllocator(const MemoryMap& memory, uint32_t cpus, AllocatorRules rules)
    : PageAllocator(memory, NumaTopology::OneNode(cpus), rules) {}

PageAllocator::PageAllocator(const MemoryMap& memory, const NumaTopology& topology, AllocatorRules rules,
                             const MovableMemory& movable)
    : PageAllocator(std::max(memory.end(), movable.added.end), topology) {
  std::vector<FrameRange> ranges = memory.ranges();
  if (!movable.added.empty()) ranges.push_back(movable.added);
  for (uint32_t node = 0; node < topology.nodes(); ++node) {
    const FrameRange addresses = topology.RangeOf(node);
    const FrameNumber first_movable = movable.first_frames.empty() ? end_ : movable.first_frames[node];
    for (size_t kind = 0; kind < kZoneKinds; ++kind) {
      FrameRange bounds{first_movable, std::min(addresses.end, end_)};
      if (kind != kMovableZone) {
        bounds = {std::max(addresses.first, kZoneBounds[kind]),
                  std::min({addresses.end, kZoneBounds[kind + 1], memory.end(), first_movable})};
      }
      if (bounds.empty()) continue;
      AddZone(node, kind, bounds, rules);
      Zone& zone = zones_.back().zone;
      for (const FrameRange& range : ranges) {
        const FrameRange part{std::max({range.first, bounds.first, kFirstManaged}), std::min(range.end, bounds.end)};
        if (!part.empty()) zone.AddBootMemory(part);
      }
      managed_ += zone.managed_frames();
      if (zone.managed_frames().raw() == 0) zones_.pop_back();
    }
  }
  if (managed_.raw() != 0) SetBootWatermarks(rules);
  BuildZonelists(topology);
}

void PageAllocator::AddZone(uint32_t node, size_t kind, FrameRange bounds, AllocatorRules rules) {
  caps_movable_mark_ = rules.caps_movable_mark;
  zones_.push_back({.zone = Zone(&table_, rules), .node = node, .kind = kind, .bounds = bounds});
}

PageAllocator::Zonelist PageAllocator::ListOf(uint32_t node, const NumaTopology& topology, bool with_movable) {
  Zonelist list;
  for (uint32_t other : topology.FallbackOrder(node)) {
    for (auto zone = zones_.rbegin(); zone != zones_.rend(); ++zone) {
      if (zone->node == other && (with_movable || zone->kind != kMovableZone)) list.zones.push_back(&*zone);
    }
    if (other == node) list.local = list.zones.size();
  }
  // With several nodes, not if the node has no zone below its Normal one; nor where ZONE_MOVABLE comes first, in which
  // there is nothing to mix.
  const auto has = [&](size_t kind) {
    return std::any_of(list.zones.begin(), list.zones.begin() + static_cast<int64_t>(list.local),
                       [&](const ZoneState* zone) { return zone->kind == kind; });
  };
  list.avoids_mixing = has(kNormal) && !has(kMovableZone) && (topology.nodes() == 1 || has(kDma32));
  return list;
}

void PageAllocator::BuildZonelists(const NumaTopology& topology) {
  for (const ZoneState& zone : zones_) {
    first_frames_.push_back(first_frames_.empty() ? FrameNumber(0) : zone.bounds.first);
    has_movable_zone_ = has_movable_zone_ || zone.kind == kMovableZone;
  }
  for (uint32_t node = 0; node < topology.nodes(); ++node) {
    zonelists_.push_back(ListOf(node, topology, /*with_movable=*/false));
    zonelists_.push_back(ListOf(node, topology, /*with_movable=*/true));
  }
}

FrameCount PageAllocator::ManagedLowmem() const {
  FrameCount managed;
  for (const ZoneState& zone : zones_) {
    if (zone.kind != kMovableZone) managed += zone.zone.managed_frames();
  }
  return managed;
}

// min_free_kbytes in frames: what calculate_min_free_kbytes says, or what khugepaged asks for to keep types apart, if
// that is more (set_recommended_min_free_kbytes: transparent huge pages are on, as they are by default). ZONE_MOVABLE
// has no part in either (nr_free_buffer_pages).
uint64_t PageAllocator::MinFreeFrames() const {
  const uint64_t calculated = std::clamp<uint64_t>(IntegerSqrt(16 * ManagedLowmem().in_kib()), 128, 262144) / 4;
  uint64_t recommended = 0;
  uint64_t buffers = 0;  // nr_free_buffer_pages
  for (const ZoneState& state : zones_) {
    if (state.kind == kMovableZone) continue;
    const FrameCount managed = state.zone.managed_frames();
    const Marks marks = MarksOf(state, calculated);
    const FrameCount high = marks.low + (marks.low - marks.min);
    buffers += (managed - std::min(managed, high)).raw();
    recommended += kFramesPer2M.raw() * (2 + kMigratetypes * kMigratetypes);
  }
  return std::max(calculated, std::min(recommended, buffers / 20));
}

PageAllocator::Marks PageAllocator::MarksOf(const ZoneState& zone, uint64_t min_free) const {
  const FrameCount managed = zone.zone.managed_frames();
  const FrameCount sharing = caps_movable_mark_ ? ManagedLowmem() : managed_;
  const uint64_t share = Share(min_free, managed, std::max(sharing, FrameCount(1)));
  const bool capped = caps_movable_mark_ && zone.kind == kMovableZone;
  const uint64_t min = capped ? std::clamp<uint64_t>(managed.raw() / 1024, kSwapClusterMax, kMaxCappedMark) : share;
  return {FrameCount(min), FrameCount(min + MarkDistance(share, managed))};
}

void PageAllocator::SetMarks(size_t zone, Marks marks) {
  ZoneState& state = zones_[zone];
  FrameCount above;          // in the zones above this one of the same node
  FrameCount movable_above;  // with its ZONE_MOVABLE
  for (size_t i = zone + 1; i < zones_.size() && zones_[i].node == state.node; ++i) {
    movable_above += zones_[i].zone.managed_frames();
    if (zones_[i].kind != kMovableZone) above = movable_above;
  }
  const uint64_t ratio = state.kind < kNormal ? kLowmemReserveRatio : kNormalReserveRatio;
  state.reserve = FrameCount(above.raw() / ratio);
  const FrameCount movable_reserve(movable_above.raw() / ratio);
  state.min_marks = {marks.min + state.reserve, marks.min + movable_reserve};
  state.low_marks = {marks.low + state.reserve, marks.low + movable_reserve};
  state.high_mark = state.low_marks[0] + (marks.low - marks.min);
}

uint32_t PageAllocator::CpusSharing(const ZoneState& zone) const {
  const auto local = std::count(node_of_cpu_.begin(), node_of_cpu_.end(), zone.node);
  return static_cast<uint32_t>(local == 0 ? static_cast<int64_t>(node_of_cpu_.size()) : local);
}

void PageAllocator::MakePerCpuLists(ZoneState& state, FrameCount low, AllocatorRules rules) {
  const PerCpuLists lists(&table_, &state.zone, state.zone.managed_frames(), low, CpusSharing(state), rules);
  state.per_cpu.assign(node_of_cpu_.size(), lists);
}

void PageAllocator::SetBootWatermarks(AllocatorRules rules) {
  const uint64_t min_free = MinFreeFrames();
  for (size_t i = 0; i < zones_.size(); ++i) {
    const Marks marks = MarksOf(zones_[i], min_free);
    SetMarks(i, marks);
    MakePerCpuLists(zones_[i], marks.low, rules);
  }
}

void PageAllocator::SetMinFreeKib(uint64_t kib) {
  for (size_t i = 0; i < zones_.size(); ++i) {
    const Marks marks = MarksOf(zones_[i], kib / (kFrameBytes / 1024));
    SetMarks(i, marks);
    for (PerCpuLists& lists : zones_[i].per_cpu) lists.SetLowMark(marks.low, CpusSharing(zones_[i]));
  }
}

FrameNumber PageAllocator::GiveOut(FrameIndex block, Order order, Migratetype type) {
  table_.GiveOut(block, order, type);
  allocated_ += order.frames();
  return table_.FrameOf(block);
}

FrameIndex PageAllocator::RemoveFrom(ZoneState& zone, FrameCount mark, Order order, Migratetype type,
                                     Zone::Fragmentation fragmentation, uint32_t cpu) {
  // Per-CPU lists are not asked either if the zone has no free block that is large enough (__zone_watermark_ok).
  if (zone.zone.free_frames() < mark + order.frames() || !zone.zone.HasOrderOrMore(order)) return kNoFrameIndex;
  if (order > PerCpuLists::kMaxListOrder) zone.zone.CountLock();
  return order <= PerCpuLists::kMaxListOrder ? zone.per_cpu[cpu].Remove(order, type, fragmentation)
                                             : zone.zone.Remove(order, type, fragmentation);
}

std::optional<FrameNumber> PageAllocator::AllocateOnNode(uint32_t node, Order order, Migratetype type, uint32_t cpu) {
  if (table_.IsFull()) return std::nullopt;
  // Down to the low watermark: the node's own zones without mixing types, then all with.
  const Zonelist& list = ZonelistOf(node, type);
  for (int attempt = list.avoids_mixing ? 0 : 1; attempt < 2; ++attempt) {
    const size_t zones = attempt == 0 ? list.local : list.zones.size();
    for (size_t i = 0; i < zones; ++i) {
      ZoneState& zone = *list.zones[i];
      const FrameIndex block =
          RemoveFrom(zone, zone.low_marks[MarkOf(type)], order, type,
                     attempt == 0 ? Zone::Fragmentation::kAvoided : Zone::Fragmentation::kAllowed, cpu);
      if (block != kNoFrameIndex) return GiveOut(block, order, type);
    }
  }
  return slow_path_ == nullptr ? AllocateDownToMin(node, order, type, cpu)
                               : slow_path_->AllocateSlowly(node, order, type, cpu);
}

std::optional<FrameNumber> PageAllocator::AllocateDownToMin(uint32_t node, Order order, Migratetype type,
                                                            uint32_t cpu) {
  if (table_.IsFull()) return std::nullopt;
  for (ZoneState* zone : ZonelistOf(node, type).zones) {
    const FrameIndex block =
        RemoveFrom(*zone, zone->min_marks[MarkOf(type)], order, type, Zone::Fragmentation::kAllowed, cpu);
    if (block != kNoFrameIndex) return GiveOut(block, order, type);
  }
  return std::nullopt;
}

std::optional<FrameNumber> PageAllocator::TakeFreeBlockIn(FrameRange range, Order order, Migratetype type) {
  if (table_.IsFull()) return std::nullopt;
  for (ZoneState& state : zones_) {
    const FrameRange part{std::max(range.first, state.bounds.first), std::min(range.end, state.bounds.end)};
    if (part.empty() || (state.kind == kMovableZone && type != Migratetype::kMovable)) continue;
    if (state.zone.free_frames() < state.min_marks[MarkOf(type)] + order.frames()) continue;
    state.zone.CountLock();
    const FrameIndex block = state.zone.TakeLowest(part, order, type);
    if (block != kNoFrameIndex) return GiveOut(block, order, type);
  }
  return std::nullopt;
}

uint64_t PageAllocator::BulkAllocate(uint64_t count, Migratetype type, uint32_t cpu, std::vector<FrameNumber>* frames) {
  if (table_.IsFull()) return 0;
  const Zonelist& list = ZonelistOf(node_of_cpu_[cpu], type);
  for (size_t i = 0; i < list.local; ++i) {
    ZoneState& zone = *list.zones[i];
    if (zone.zone.free_frames() <= zone.low_marks[MarkOf(type)] + FrameCount(count)) continue;
    uint64_t taken = 0;
    for (; taken < count; ++taken) {
      const FrameIndex block = zone.per_cpu[cpu].RemoveForBulk(type, Zone::Fragmentation::kAllowed);
      if (block == kNoFrameIndex) break;
      frames->push_back(GiveOut(block, Order(0), type));
    }
    return taken;
  }
  return 0;
}

void PageAllocator::Free(FrameNumber block, Order order, uint32_t cpu) {
  const FrameIndex index = table_.IndexOf(block);
  DCHECK((table_.record(index).state == FrameState::kAllocated && table_.record(index).order == order.raw()) ||
         (from_snapshot_ && table_.record(index).state == FrameState::kNone));
  table_.TakeBack(index, order);
  allocated_ -= order.frames();
  ZoneState& zone = zones_[ZoneOf(block)];
  if (order <= PerCpuLists::kMaxListOrder) {
    zone.per_cpu[cpu].Insert(index, order);
  } else {
    zone.zone.CountLock();
    zone.zone.Insert(index, order);
  }
}

void PageAllocator::SplitAllocated(FrameNumber block, Order order, Order pieces) {
  const FrameIndex first = table_.IndexOf(block);
  const Migratetype type = table_.record(first).type;
  DCHECK(table_.record(first).state == FrameState::kAllocated && table_.record(first).order == order.raw());
  for (FrameIndex i = 0; i < order.frames().raw(); i += static_cast<FrameIndex>(pieces.frames().raw())) {
    FrameRecord& record = table_.record(first + i);
    record.state = FrameState::kAllocated;
    record.order = static_cast<uint8_t>(pieces.raw());
    record.type = type;
    record.has_owner = false;
  }
}

void PageAllocator::JoinAllocated(FrameNumber block, Order order) {
  DCHECK(block.IsAligned(order.frames()));
  const FrameIndex first = table_.IndexOf(block);
  const Migratetype type = table_.record(first).type;
  for (FrameIndex i = 0; i < order.frames().raw(); ++i) {
    DCHECK(table_.record(first + i).state == FrameState::kAllocated && table_.record(first + i).order == 0);
    table_.TakeBack(first + i, Order(0));
  }
  table_.GiveOut(first, order, type);
}

void PageAllocator::SetOwner(FrameNumber frame, PageOwner owner) {
  FrameRecord& record = table_.record(table_.IndexOf(frame));
  DCHECK(record.state == FrameState::kAllocated && record.order == 0);
  record.next = owner.object;
  record.prev = owner.page;
  record.has_owner = true;
}

void PageAllocator::ClearOwner(FrameNumber frame) {
  FrameRecord& record = table_.record(table_.IndexOf(frame));
  DCHECK(record.state == FrameState::kAllocated && record.order == 0);
  record.has_owner = false;
}

std::optional<PageAllocator::PageOwner> PageAllocator::OwnerOf(FrameNumber frame) const {
  if (!Manages(frame)) return std::nullopt;
  const FrameRecord& record = table_.record(table_.IndexOf(frame));
  if (record.state != FrameState::kAllocated || !record.has_owner) return std::nullopt;
  return PageOwner{record.next, record.prev};
}

PageAllocator::ZoneInfo PageAllocator::InfoOf(size_t zone) const {
  const ZoneState& state = zones_[zone];
  return {.node = state.node,
          .frames = state.bounds,
          .managed = state.zone.managed_frames(),
          .free = state.zone.free_frames(),
          .min_mark = state.min_marks[0],
          .low_mark = state.low_marks[0],
          .high_mark = state.high_mark,
          .movable = state.kind == kMovableZone,
          .movable_reserve = state.low_marks[1] - state.low_marks[0]};
}

void PageAllocator::ObserveCoalescing(CoalesceObserver* observer) {
  for (ZoneState& state : zones_) state.zone.ObserveCoalescing(observer);
}

void PageAllocator::DrainPerCpu() {
  for (ZoneState& zone : zones_) {
    for (PerCpuLists& lists : zone.per_cpu) lists.Drain();
  }
}

void PageAllocator::DrainPerCpuOfZone(FrameNumber frame) {
  for (PerCpuLists& lists : zones_[ZoneOf(frame)].per_cpu) lists.Drain();
}

void PageAllocator::DecayPerCpu() {
  for (ZoneState& zone : zones_) {
    for (PerCpuLists& lists : zone.per_cpu) lists.Decay();
  }
}

FrameCount PageAllocator::free_frames() const {
  FrameCount frames;
  for (const ZoneState& zone : zones_) frames += zone.zone.free_frames();
  return frames;
}

Zone::LockedWork PageAllocator::locked_work() const {
  Zone::LockedWork work;
  for (const ZoneState& zone : zones_) {
    work.locks += zone.zone.locked_work().locks;
    work.list_blocks += zone.zone.locked_work().list_blocks;
  }
  return work;
}

FrameCount PageAllocator::per_cpu_frames() const {
  FrameCount frames;
  for (const ZoneState& zone : zones_) {
    for (const PerCpuLists& lists : zone.per_cpu) frames += lists.frames();
  }
  return frames;
}

uint64_t PageAllocator::FreeBlocksInZoneOf(FrameNumber frame, Order order) const {
  uint64_t blocks = 0;
  for (unsigned type = 0; type < kMigratetypes; ++type) {
    blocks += zones_[ZoneOf(frame)].zone.FreeBlocks(order, static_cast<Migratetype>(type));
  }
  return blocks;
}

uint64_t PageAllocator::FreeBlocks(Order order) const {
  uint64_t blocks = 0;
  for (const ZoneState& zone : zones_) {
    for (unsigned type = 0; type < kMigratetypes; ++type) {
      blocks += zone.zone.FreeBlocks(order, static_cast<Migratetype>(type));
    }
  }
  return blocks;
}

absl::Status PageAllocator::CheckMovableCounts(FrameIndex section) const {
  std::vector<uint64_t> movable(FrameTable::kSectionFrames / kFramesPer2M.raw());
  for (FrameIndex i = 0; i < FrameTable::kSectionFrames; ++i) {
    const FrameRecord& record = table_.record(section + i);
    if (record.state != FrameState::kAllocated || record.type != Migratetype::kMovable) continue;
    const uint64_t frames = Order(record.order).frames().raw();
    for (uint64_t k = 0; k < frames; k += kFramesPer2M.raw()) {
      movable[(i + k) / kFramesPer2M.raw()] += std::min(frames, kFramesPer2M.raw());
    }
  }
  for (size_t i = 0; i < movable.size(); ++i) {
    const auto block = static_cast<FrameIndex>(section + i * kFramesPer2M.raw());
    if (movable[i] == table_.movable_frames(block)) continue;
    return absl::InternalError(absl::StrCat("pageblock of frame ", table_.FrameOf(block).raw(), " counts ",
                                            table_.movable_frames(block), " movable frames given out, and has ",
                                            movable[i]));
  }
  return absl::OkStatus();
}

absl::Status PageAllocator::CheckMovableZone(FrameIndex section) const {
  if (!has_movable_zone_) return absl::OkStatus();
  for (FrameIndex i = 0; i < FrameTable::kSectionFrames; ++i) {
    const FrameRecord& record = table_.record(section + i);
    if (record.state != FrameState::kAllocated || record.type == Migratetype::kMovable) continue;
    if (!InMovableZone(table_.FrameOf(section + i))) continue;
    return absl::InternalError(absl::StrCat("the page of frame ", table_.FrameOf(section + i).raw(),
                                            " is not movable, and lies in ZONE_MOVABLE"));
  }
  return absl::OkStatus();
}

absl::Status PageAllocator::CheckInvariants() const {
  for (const ZoneState& zone : zones_) {
    if (absl::Status status = zone.zone.CheckInvariants(); !status.ok()) return status;
    for (const PerCpuLists& lists : zone.per_cpu) {
      if (absl::Status status = lists.CheckInvariants(); !status.ok()) return status;
    }
  }
  // Every block seen once, in the order of frames: a block inside another would be missed here and found missing below.
  FrameCount free;
  FrameCount per_cpu;
  FrameCount allocated;
  for (FrameNumber section : table_.TouchedSections()) {
    const FrameIndex first = table_.IndexOf(section);
    if (absl::Status status = CheckMovableCounts(first); !status.ok()) return status;
    if (absl::Status status = CheckMovableZone(first); !status.ok()) return status;
    for (FrameIndex i = 0; i < FrameTable::kSectionFrames;) {
      const FrameRecord& record = table_.record(first + i);
      const FrameCount size = record.state == FrameState::kNone ? FrameCount(1) : Order(record.order).frames();
      if (record.state == FrameState::kFree) free += size;
      if (record.state == FrameState::kPerCpu) per_cpu += size;
      if (record.state == FrameState::kAllocated) allocated += size;
      i += static_cast<FrameIndex>(size.raw());
    }
  }
  for (const ZoneState& zone : zones_) {
    for (const FrameRange& range : zone.zone.untouched()) free += range.count();
  }
  if (from_snapshot_) allocated = std::max(allocated, allocated_);  // the others have no record
  if (free != free_frames() || per_cpu != per_cpu_frames() || allocated != allocated_ ||
      free + per_cpu + allocated != managed_) {
    return absl::InternalError(absl::StrCat("records say ", free.raw(), " free, ", per_cpu.raw(), " per-CPU, ",
                                            allocated.raw(), " allocated frames; counters say ", free_frames().raw(),
                                            ", ", per_cpu_frames().raw(), ", ", allocated_.raw(), " of ",
                                            managed_.raw()));
  }
  return absl::OkStatus();
}

}  // namespace dmfrag::model
