#include "worker/model/page_allocator.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/check.h"

namespace dmfrag::model {
namespace {

// The ISA range is not given out; boot code and firmware keep it.
constexpr FrameNumber kFirstManaged(256);
constexpr std::array<FrameNumber, 4> kZoneBounds = {FrameNumber(0), FrameNumber(4096), FrameNumber(1 << 20),
                                                    FrameNumber(MemoryMap::kMaxAddressBytes / kFrameBytes)};
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

// min_free_kbytes (calculate_min_free_kbytes), in frames.
uint64_t MinFreeFrames(FrameCount managed) {
  return std::clamp<uint64_t>(IntegerSqrt(16 * managed.in_kib()), 128, 262144) / 4;
}

}  // namespace

PageAllocator::PageAllocator(const MemoryMap& memory, uint32_t cpus, AllocatorRules rules)
    : table_(memory.end()),
      zones_{ZoneState{Zone(&table_, rules), nullptr, {}, {}}, ZoneState{Zone(&table_, rules), nullptr, {}, {}},
             ZoneState{Zone(&table_, rules), nullptr, {}, {}}} {
  for (const FrameRange& range : memory.ranges()) {
    for (size_t i = 0; i < kZones; ++i) {
      const FrameRange part{std::max({range.first, kZoneBounds[i], kFirstManaged}),
                            std::min(range.end, kZoneBounds[i + 1])};
      if (!part.empty()) zones_[i].zone.AddBootMemory(part);
    }
  }
  for (const ZoneState& zone : zones_) managed_ += zone.zone.managed_frames();
  SetWatermarks(cpus, rules);
}

void PageAllocator::SetWatermarks(uint32_t cpus, AllocatorRules rules) {
  if (managed_.raw() == 0) return;
  FrameCount above;  // managed by the zones above
  for (size_t i = kZones; i-- > 0;) {
    ZoneState& state = zones_[i];
    const FrameCount managed = state.zone.managed_frames();
    if (managed.raw() == 0) continue;
    const auto share =
        static_cast<uint64_t>(static_cast<unsigned __int128>(MinFreeFrames(managed_)) * managed.raw() / managed_.raw());
    const uint64_t step = std::max(share / 4, managed.raw() * kWatermarkScale / 10000);
    const FrameCount reserve(above.raw() / kLowmemReserveRatio);
    state.min_mark = FrameCount(share) + reserve;
    state.low_mark = FrameCount(share + step) + reserve;
    state.per_cpu = std::make_unique<PerCpuLists>(&table_, &state.zone, managed, FrameCount(share + step), cpus, rules);
    above += managed;
  }
}

size_t PageAllocator::ZoneOf(FrameNumber frame) {
  return frame < kZoneBounds[1] ? 0 : frame < kZoneBounds[2] ? 1 : kNormal;
}

std::optional<FrameNumber> PageAllocator::AllocateFrom(ZoneState& zone, FrameCount mark, Order order, Migratetype type,
                                                       Zone::Fragmentation fragmentation) {
  if (zone.per_cpu == nullptr || zone.zone.free_frames() < mark + order.frames()) return std::nullopt;
  const FrameIndex block = order <= PerCpuLists::kMaxListOrder ? zone.per_cpu->Remove(order, type, fragmentation)
                                                               : zone.zone.Remove(order, type, fragmentation);
  if (block == kNoFrameIndex) return std::nullopt;
  FrameRecord& record = table_.record(block);
  record.state = FrameState::kAllocated;
  record.order = static_cast<uint8_t>(order.raw());
  record.type = type;
  allocated_ += order.frames();
  return table_.FrameOf(block);
}

std::optional<FrameNumber> PageAllocator::Allocate(Order order, Migratetype type) {
  if (table_.IsFull()) return std::nullopt;
  // Down to the low watermark without mixing types if a Normal zone exists, then with, then down to the minimum.
  const bool has_normal = zones_[kNormal].per_cpu != nullptr;
  for (int attempt = has_normal ? 0 : 1; attempt < 3; ++attempt) {
    for (size_t i = kZones; i-- > 0;) {
      ZoneState& zone = zones_[i];
      const std::optional<FrameNumber> block =
          AllocateFrom(zone, attempt < 2 ? zone.low_mark : zone.min_mark, order, type,
                       attempt == 0 ? Zone::Fragmentation::kAvoided : Zone::Fragmentation::kAllowed);
      if (block.has_value()) return block;
    }
  }
  return std::nullopt;
}

void PageAllocator::Free(FrameNumber block, Order order) {
  const FrameIndex index = table_.IndexOf(block);
  FrameRecord& record = table_.record(index);
  DCHECK(record.state == FrameState::kAllocated && record.order == order.raw());
  record.state = FrameState::kNone;
  allocated_ -= order.frames();
  ZoneState& zone = zones_[ZoneOf(block)];
  if (order <= PerCpuLists::kMaxListOrder) {
    zone.per_cpu->Insert(index, order);
  } else {
    zone.zone.Insert(index, order);
  }
}

void PageAllocator::SplitAllocated(FrameNumber block, Order order) {
  const FrameIndex first = table_.IndexOf(block);
  const Migratetype type = table_.record(first).type;
  DCHECK(table_.record(first).state == FrameState::kAllocated && table_.record(first).order == order.raw());
  for (FrameIndex i = 0; i < order.frames().raw(); ++i) {
    FrameRecord& record = table_.record(first + i);
    record.state = FrameState::kAllocated;
    record.order = 0;
    record.type = type;
  }
}

void PageAllocator::DrainPerCpu() {
  for (ZoneState& zone : zones_) {
    if (zone.per_cpu != nullptr) zone.per_cpu->Drain();
  }
}

void PageAllocator::DecayPerCpu() {
  for (ZoneState& zone : zones_) {
    if (zone.per_cpu != nullptr) zone.per_cpu->Decay();
  }
}

FrameCount PageAllocator::free_frames() const {
  return zones_[0].zone.free_frames() + zones_[1].zone.free_frames() + zones_[2].zone.free_frames();
}

FrameCount PageAllocator::per_cpu_frames() const {
  FrameCount frames;
  for (const ZoneState& zone : zones_) {
    if (zone.per_cpu != nullptr) frames += zone.per_cpu->frames();
  }
  return frames;
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
    if (zone.per_cpu == nullptr) continue;
    if (absl::Status status = zone.per_cpu->CheckInvariants(); !status.ok()) return status;
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
