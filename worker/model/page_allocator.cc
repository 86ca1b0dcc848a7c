#include "worker/model/page_allocator.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/check.h"

namespace dmfrag::model {
namespace {

// The ISA range is not given out; boot code and firmware keep it.
constexpr FrameNumber kFirstManaged(256);
// sysctl_lowmem_reserve_ratio of DMA and DMA32.
constexpr uint64_t kLowmemReserveRatio = 256;
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

// WMARK_LOW of a zone that manages `managed` frames and whose WMARK_MIN is `min` (__setup_per_zone_wmarks).
uint64_t LowMark(uint64_t min, FrameCount managed) {
  return min + std::max(min / 4, managed.raw() * kWatermarkScale / 10000);
}

uint64_t Share(uint64_t of, FrameCount part, FrameCount whole) {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(of) * part.raw() / whole.raw());
}

}  // namespace

PageAllocator::PageAllocator(FrameNumber end, AllocatorRules rules)
    : table_(end),
      end_(end),
      zones_{ZoneState{Zone(&table_, rules), {}, {}, {}, {}, {}}, ZoneState{Zone(&table_, rules), {}, {}, {}, {}, {}},
             ZoneState{Zone(&table_, rules), {}, {}, {}, {}, {}}} {}

PageAllocator::PageAllocator(const MemoryMap& memory, uint32_t cpus, AllocatorRules rules)
    : PageAllocator(memory.end(), rules) {
  for (const FrameRange& range : memory.ranges()) {
    for (size_t i = 0; i < kZones; ++i) {
      const FrameRange part{std::max({range.first, kZoneBounds[i], kFirstManaged}),
                            std::min(range.end, kZoneBounds[i + 1])};
      if (!part.empty()) zones_[i].zone.AddBootMemory(part);
    }
  }
  for (const ZoneState& zone : zones_) managed_ += zone.zone.managed_frames();
  if (managed_.raw() != 0) SetBootWatermarks(cpus, rules);
}

// min_free_kbytes in frames: what calculate_min_free_kbytes says, or what khugepaged asks for to keep types apart, if
// that is more (set_recommended_min_free_kbytes: transparent huge pages are on, as they are by default).
uint64_t PageAllocator::MinFreeFrames() const {
  const uint64_t calculated = std::clamp<uint64_t>(IntegerSqrt(16 * managed_.in_kib()), 128, 262144) / 4;
  uint64_t recommended = 0;
  uint64_t buffers = 0;  // nr_free_buffer_pages
  for (const ZoneState& state : zones_) {
    const FrameCount managed = state.zone.managed_frames();
    if (managed.raw() == 0) continue;
    const uint64_t min = Share(calculated, managed, managed_);
    const uint64_t high = min + 2 * (LowMark(min, managed) - min);
    buffers += managed.raw() - std::min(managed.raw(), high);
    recommended += kFramesPer2M.raw() * (2 + kMigratetypes * kMigratetypes);
  }
  return std::max(calculated, std::min(recommended, buffers / 20));
}

void PageAllocator::SetBootWatermarks(uint32_t cpus, AllocatorRules rules) {
  const uint64_t min_free = MinFreeFrames();
  FrameCount above;
  for (size_t i = kZones; i-- > 0;) {
    const FrameCount managed = zones_[i].zone.managed_frames();
    if (managed.raw() == 0) continue;
    const uint64_t min = Share(min_free, managed, managed_);
    SetWatermarks(zones_[i], FrameCount(min), FrameCount(LowMark(min, managed)), above, cpus, rules);
    above += managed;
  }
}

void PageAllocator::SetWatermarks(ZoneState& state, FrameCount min, FrameCount low, FrameCount above, uint32_t cpus,
                                  AllocatorRules rules) {
  state.reserve = FrameCount(above.raw() / kLowmemReserveRatio);
  state.min_mark = min + state.reserve;
  state.low_mark = low + state.reserve;
  state.per_cpu.assign(cpus, PerCpuLists(&table_, &state.zone, state.zone.managed_frames(), low, cpus, rules));
}

FrameNumber PageAllocator::GiveOut(FrameIndex block, Order order, Migratetype type) {
  FrameRecord& record = table_.record(block);
  record.state = FrameState::kAllocated;
  record.order = static_cast<uint8_t>(order.raw());
  record.type = type;
  allocated_ += order.frames();
  return table_.FrameOf(block);
}

std::optional<FrameNumber> PageAllocator::AllocateFrom(ZoneState& zone, FrameCount mark, Order order, Migratetype type,
                                                       Zone::Fragmentation fragmentation, uint32_t cpu) {
  if (zone.per_cpu.empty() || zone.zone.free_frames() < mark + order.frames()) return std::nullopt;
  if (order > PerCpuLists::kMaxListOrder) zone.zone.CountLock();
  const FrameIndex block = order <= PerCpuLists::kMaxListOrder ? zone.per_cpu[cpu].Remove(order, type, fragmentation)
                                                               : zone.zone.Remove(order, type, fragmentation);
  if (block == kNoFrameIndex) return std::nullopt;
  return GiveOut(block, order, type);
}

std::optional<FrameNumber> PageAllocator::Allocate(Order order, Migratetype type, uint32_t cpu) {
  if (table_.IsFull()) return std::nullopt;
  // Down to the low watermark without mixing types if a Normal zone exists, then with, then down to the minimum.
  const bool has_normal = !zones_[kNormal].per_cpu.empty();
  for (int attempt = has_normal ? 0 : 1; attempt < 3; ++attempt) {
    for (size_t i = kZones; i-- > 0;) {
      ZoneState& zone = zones_[i];
      const std::optional<FrameNumber> block =
          AllocateFrom(zone, attempt < 2 ? zone.low_mark : zone.min_mark, order, type,
                       attempt == 0 ? Zone::Fragmentation::kAvoided : Zone::Fragmentation::kAllowed, cpu);
      if (block.has_value()) return block;
    }
  }
  return std::nullopt;
}

uint64_t PageAllocator::BulkAllocate(uint64_t count, Migratetype type, uint32_t cpu, std::vector<FrameNumber>* frames) {
  if (table_.IsFull()) return 0;
  for (size_t i = kZones; i-- > 0;) {
    ZoneState& zone = zones_[i];
    if (zone.per_cpu.empty() || zone.zone.free_frames() < zone.low_mark + FrameCount(count)) continue;
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
  FrameRecord& record = table_.record(index);
  DCHECK((record.state == FrameState::kAllocated && record.order == order.raw()) ||
         (from_snapshot_ && record.state == FrameState::kNone));
  record.state = FrameState::kNone;
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
  }
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
  return zones_[0].zone.free_frames() + zones_[1].zone.free_frames() + zones_[2].zone.free_frames();
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
