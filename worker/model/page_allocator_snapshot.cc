// PageAllocator: starts from snapshots, snapshots, and following a kernel's choices.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/model/page_allocator.h"

namespace dmfrag::model {
namespace {

// Allocated so far, one bit a frame; finds blocks that overlap.
class FrameSet {
 public:
  explicit FrameSet(FrameNumber end) : taken_(end.raw()) {}

  absl::Status Add(const BlockList& list, FrameRange bounds, const std::string& place) {
    if (list.order > kMaxOrder) return absl::InvalidArgumentError(absl::StrCat(place, ": no such order"));
    for (FrameNumber block : list.blocks) {
      const FrameNumber end = block + list.order.frames();
      if (!block.IsAligned(list.order.frames()) || block < bounds.first || end > bounds.end) {
        return absl::InvalidArgumentError(absl::StrCat(place, ": the block at frame ", block.raw(), " of order ",
                                                       list.order.raw(), " is not aligned, or leaves its zone"));
      }
      for (FrameNumber frame = block; frame < end; frame = frame + FrameCount(1)) {
        if (taken_[frame.raw()]) {
          return absl::InvalidArgumentError(absl::StrCat(place, ": frame ", frame.raw(), " is free twice"));
        }
        taken_[frame.raw()] = true;
      }
      frames_ += list.order.frames();
    }
    return absl::OkStatus();
  }

  FrameCount frames() const { return frames_; }

 private:
  std::vector<bool> taken_;
  FrameCount frames_;
};

// A machine larger than this has no dump of its lists.
constexpr FrameNumber kMaxEnd(uint64_t{1} << 32);

absl::Status CheckZone(const ZoneSnapshot& zone, size_t cpus, FrameSet* taken) {
  const std::string place = absl::StrCat("zone at frame ", zone.bounds.first.raw());
  if (zone.per_cpu.size() != cpus) {
    return absl::InvalidArgumentError(absl::StrCat(place, ": per-CPU lists of ", zone.per_cpu.size(),
                                                   " processors, but the first zone has them of ", cpus));
  }
  const FrameCount before = taken->frames();
  for (const BlockList& list : zone.free) {
    if (absl::Status status = taken->Add(list, zone.bounds, place); !status.ok()) return status;
  }
  for (const PerCpuSnapshot& lists : zone.per_cpu) {
    for (const BlockList& list : lists.lists) {
      if (list.order > PerCpuLists::kMaxListOrder) {
        return absl::InvalidArgumentError(absl::StrCat(place, ": a per-CPU list of order ", list.order.raw()));
      }
      if (absl::Status status = taken->Add(list, zone.bounds, place); !status.ok()) return status;
    }
  }
  for (const BlockTypeRun& run : zone.block_types) {
    if (run.first.raw() >= zone.bounds.end.raw() ||
        run.blocks > (zone.bounds.end - run.first).raw() / kFramesPer2M.raw() + 1) {
      return absl::InvalidArgumentError(absl::StrCat(place, ": block types beyond its end"));
    }
  }
  if (taken->frames() - before > zone.managed) {
    return absl::InvalidArgumentError(absl::StrCat(place, ": ", (taken->frames() - before).raw(),
                                                   " frames are free, but it manages ", zone.managed.raw()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<PageAllocator>> PageAllocator::FromSnapshot(const AllocatorSnapshot& snapshot,
                                                                           AllocatorRules rules) {
  if (snapshot.zones.empty() || snapshot.zones.front().per_cpu.empty()) {
    return absl::InvalidArgumentError("a snapshot needs at least one zone and one processor's lists");
  }
  FrameNumber end;
  uint32_t node = 0;
  std::vector<FrameNumber> nodes = {FrameNumber(0)};
  for (const ZoneSnapshot& zone : snapshot.zones) {
    if (zone.bounds.empty() || zone.bounds.first < end || zone.bounds.end > kMaxEnd ||
        (!zone.movable && zone.bounds.end > kZoneBounds[KindOf(zone.bounds.first) + 1])) {
      return absl::InvalidArgumentError(absl::StrCat("zone at frame ", zone.bounds.first.raw(),
                                                     ": empty, out of order, beyond 16 TiB, or of no zone's bounds"));
    }
    if (zone.node != node && zone.node != node + 1) {
      return absl::InvalidArgumentError(absl::StrCat("zone at frame ", zone.bounds.first.raw(), ": of node ", zone.node,
                                                     " after one of node ", node,
                                                     "; nodes must ascend with addresses"));
    }
    if (zone.node != node) nodes.push_back(zone.bounds.first);
    node = zone.node;
    end = zone.bounds.end;
  }
  const size_t cpus = snapshot.zones.front().per_cpu.size();
  std::vector<uint32_t> node_of_cpu = snapshot.node_of_cpu;
  if (node_of_cpu.empty()) node_of_cpu.resize(cpus);
  if (node_of_cpu.size() != cpus) {
    return absl::InvalidArgumentError(
        absl::StrCat("nodes of ", node_of_cpu.size(), " processors, but per-CPU lists of ", cpus));
  }
  ASSIGN_OR_RETURN(const NumaTopology topology, NumaTopology::Create(std::move(nodes), std::move(node_of_cpu)));
  FrameSet taken(end);
  for (const ZoneSnapshot& zone : snapshot.zones) {
    if (absl::Status status = CheckZone(zone, cpus, &taken); !status.ok()) return status;
  }
  auto allocator = std::unique_ptr<PageAllocator>(new PageAllocator(end, topology));
  allocator->Restore(snapshot, rules);
  allocator->BuildZonelists(topology);
  return allocator;
}

void PageAllocator::Restore(const AllocatorSnapshot& snapshot, AllocatorRules rules) {
  from_snapshot_ = true;
  for (const ZoneSnapshot& zone : snapshot.zones) {
    AddZone(zone.node, zone.movable ? kMovableZone : KindOf(zone.bounds.first), zone.bounds, rules);
  }
  for (size_t i = snapshot.zones.size(); i-- > 0;) {
    const ZoneSnapshot& zone = snapshot.zones[i];
    for (FrameNumber frame = zone.bounds.first; frame < zone.bounds.end;) {
      table_.Touch(frame);
      frame = (frame + FrameCount(FrameTable::kSectionFrames)).AlignedDown(FrameCount(FrameTable::kSectionFrames));
    }
    for (const BlockTypeRun& run : zone.block_types) {
      for (uint64_t block = 0; block < run.blocks; ++block) {
        table_.block_type(table_.Touch(run.first + FrameCount(block * kFramesPer2M.raw()))) = run.type;
      }
    }
    ZoneState& state = zones_[i];
    state.zone.Restore(zone.managed, zone.free, !snapshot.knows_frames_in_use);
    SetMarks(i, {zone.min_mark, zone.low_mark});
    MakePerCpuLists(state, zone.low_mark, rules);
    for (size_t cpu = 0; cpu < zone.per_cpu.size(); ++cpu) state.per_cpu[cpu].Restore(zone.per_cpu[cpu]);
    managed_ += zone.managed;
  }
  allocated_ = managed_ - free_frames() - per_cpu_frames();
}

bool PageAllocator::KnowsFramesInUse() const {
  return std::none_of(zones_.begin(), zones_.end(), [](const ZoneState& state) { return state.zone.unknown_frames(); });
}

bool PageAllocator::Adopt(FrameNumber block, Order order, Migratetype type) {
  const FrameNumber end = block + order.frames();
  if (!block.IsAligned(order.frames()) || end > end_ || !table_.IsTouched(block)) return false;
  const FrameIndex first = table_.IndexOf(block);
  for (FrameIndex i = 0; i < order.frames().raw(); ++i) {
    if (table_.record(first + i).state != FrameState::kNone) return false;
  }
  table_.GiveOut(first, order, type);
  return true;
}

AllocatorSnapshot PageAllocator::Snapshot() const {
  AllocatorSnapshot snapshot;
  snapshot.node_of_cpu = node_of_cpu_;
  for (const ZoneState& state : zones_) {
    ZoneSnapshot& zone = snapshot.zones.emplace_back();
    zone.node = state.node;
    zone.movable = state.kind == kMovableZone;
    zone.bounds = state.bounds;
    zone.managed = state.zone.managed_frames();
    zone.min_mark = state.min_marks[0] - state.reserve;
    zone.low_mark = state.low_marks[0] - state.reserve;
    zone.free = state.zone.Lists();
    for (const PerCpuLists& lists : state.per_cpu) zone.per_cpu.push_back(lists.Snapshot());
    const FrameNumber first = zone.bounds.first.AlignedDown(kFramesPer2M);
    for (FrameNumber block = first; block < zone.bounds.end; block = block + kFramesPer2M) {
      const Migratetype type =
          table_.IsTouched(block) ? table_.block_type(table_.IndexOf(block)) : Migratetype::kMovable;
      if (zone.block_types.empty() || zone.block_types.back().type != type) {
        zone.block_types.push_back({block, 0, type});
      }
      ++zone.block_types.back().blocks;
    }
  }
  return snapshot;
}

void PageAllocator::PutBack(FrameNumber block, Order order, uint32_t cpu) {
  const FrameIndex index = table_.IndexOf(block);
  const Migratetype type = table_.record(index).type;
  table_.TakeBack(index, order);
  allocated_ -= order.frames();
  ZoneState& zone = zones_[ZoneOf(block)];
  if (order <= PerCpuLists::kMaxListOrder) {
    zone.per_cpu[cpu].PutBack(index, order, type);
  } else {
    zone.zone.Insert(index, order);
  }
}

bool PageAllocator::Take(FrameNumber block, Order order, Migratetype type) {
  if (!Manages(block)) return false;
  const FrameIndex index = table_.IndexOf(block);
  const FrameRecord& record = table_.record(index);
  ZoneState& zone = zones_[ZoneOf(block)];
  bool taken = false;
  if (record.state == FrameState::kPerCpu && record.order == order.raw()) {
    for (PerCpuLists& lists : zone.per_cpu) taken = taken || lists.Take(index);
  } else {
    taken = zone.zone.Take(index, order);
  }
  if (taken) GiveOut(index, order, type);
  return taken;
}

PageAllocator::Block PageAllocator::BlockOf(FrameNumber frame) const {
  if (!Manages(frame)) return {FrameState::kNone, frame, Order(0)};
  const FrameIndex index = table_.IndexOf(frame);
  for (unsigned order = 0; order <= kMaxOrder.raw(); ++order) {
    const FrameRecord& record = table_.record(index & ~((FrameIndex{1} << order) - 1));
    if (record.state != FrameState::kNone && record.order >= order) {
      return {record.state, frame.AlignedDown(Order(order).frames()), Order(record.order)};
    }
  }
  return {FrameState::kNone, frame, Order(0)};
}

}  // namespace dmfrag::model
