#include "worker/experiment/free_running/sampled_start.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "worker/model/page_allocator.h"

namespace dmfrag::experiment {
namespace {

using model::BlockList;
using model::FrameCount;
using model::FrameNumber;
using model::FrameRange;
using model::kFramesPer2M;
using model::kMigratetypes;
using model::kOrders;
using model::Migratetype;
using model::Order;
using model::ZoneSnapshot;
using workload::Random;

// Measured on the first dumps of fl-61-1G-a, fl-61-1G-frag (44, 43) and fl-612-1G-a, fl-612-2G-frag (1,199, 1,253):
// unmovable frames on the highest zone's per-CPU lists. Movable ones: 1,925, 1,926 and 1,753, 1,754; reclaimable ones
// 23 and 475.
constexpr uint64_t kUnmovablePerCpuFixedHigh = 44;
constexpr uint64_t kUnmovablePerCpuFollowingLoad = 1225;
constexpr uint64_t kMovablePerCpu = 1850;
constexpr uint64_t kReclaimablePerCpuFixedHigh = 23;
constexpr uint64_t kReclaimablePerCpuFollowingLoad = 475;
// Measured on the same: unmovable blocks of orders 1, 2 and 3 on per-CPU lists, 28, 8, 2 and 33, 4, 5; they lie in two
// pageblocks at the lower end of the unmovable run on 6.1, in four and six on 6.12.
constexpr std::array<uint64_t, 3> kHigherUnmovablePerCpu = {30, 6, 4};
constexpr uint64_t kBlocksOfHigherFixedHigh = 2;
constexpr uint64_t kBlocksOfHigherFollowingLoad = 5;
// Guess, chosen for the whole table of captures: with several processors, small free unmovable blocks lie in
// this many pageblocks for each of a node's.
constexpr uint64_t kBlocksWithRemaindersFixedHigh = 3;
constexpr uint64_t kBlocksWithRemaindersFollowingLoad = 5;
// Guess: boots of other machines differ from those by up to a fifth.
constexpr uint64_t kPerCpuSpreadPercent = 20;
// Guess: the highest blocks of 4 MiB were in use early (the initial ramdisk, per-CPU areas), so free ones end below.
constexpr size_t kUsedTopPairs = 3;
// Frames below 1 MiB stay reserved (arch/x86/kernel/setup.c, 5.13 and later). The pageblock at 0 is unmovable in every
// first dump of fl-*.
constexpr FrameNumber kFirstManaged(256);
// A block finds no free place in this many draws: the type's memory is full.
constexpr int kMaxDraws = 200;

constexpr std::array<std::pair<std::string_view, FrameNumber>, 3> kZoneEnds = {
    {{"DMA", FrameNumber(4096)},
     {"DMA32", FrameNumber(uint64_t{1} << 20)},
     {"Normal", FrameNumber(uint64_t{1} << 35)}}};

// Counts of a zone of one node, or of all nodes together.
struct JoinedCounts {
  std::array<std::array<uint64_t, kOrders>, kMigratetypes> free{};
  std::array<uint64_t, kMigratetypes> pageblocks{};
};

JoinedCounts Join(const std::vector<workload::ZoneTypeCounts>& zones, std::string_view name,
                  std::optional<uint32_t> node) {
  JoinedCounts joined;
  for (const workload::ZoneTypeCounts& zone : zones) {
    if (zone.zone != name || zone.node != node.value_or(zone.node)) continue;
    for (size_t type = 0; type < kMigratetypes; ++type) {
      joined.pageblocks[type] += zone.pageblocks[type];
      for (size_t order = 0; order < kOrders; ++order) joined.free[type][order] += zone.free[type][order];
    }
  }
  return joined;
}

// Numbers of the 2M blocks that the direct map has in 4K entries.
std::set<uint64_t> SplitBlocks(const model::DirectMap& map) {
  std::set<uint64_t> blocks;
  map.ForEachRun([&](const model::LeafRun& run) {
    if (run.level != model::MapLevel::k4K) return;
    const uint64_t last = (run.first + run.frames).raw() - 1;
    for (uint64_t block = run.first.raw() / kFramesPer2M.raw(); block <= last / kFramesPer2M.raw(); ++block) {
      blocks.insert(block);
    }
  });
  return blocks;
}

// Frames that are mapped read-only: code and its cache, in use.
std::vector<FrameRange> ReadOnlyFrames(const model::DirectMap& map) {
  std::vector<FrameRange> frames;
  map.ForEachRun([&](const model::LeafRun& run) {
    if (run.flags.Has(model::EntryFlags::kPresent) && !run.flags.Has(model::EntryFlags::kWritable)) {
      frames.push_back({run.first, run.first + run.frames});
    }
  });
  return frames;
}

// Draws the state of one zone. Blocks are numbers of pageblocks.
class ZoneSampler {
 public:
  // `remainder_blocks`: over how many pageblocks small free unmovable blocks are spread; 0: as few as will do.
  ZoneSampler(const model::MemoryMap& memory, FrameRange bounds, const std::set<uint64_t>& split,
              uint64_t remainder_blocks, Random* random)
      : remainder_blocks_(remainder_blocks), bounds_(bounds), random_(random), taken_(bounds.count().raw(), true) {
    for (const FrameRange& range : memory.ranges())
      AddMemory({std::max(range.first, bounds.first), std::min(range.end, bounds.end)});
    for (uint64_t block : blocks_) {
      if (split.contains(block)) split_.insert(block);
    }
  }

  // Frames that cannot be free.
  void AddUsed(FrameRange range) {
    range = {std::max(range.first, bounds_.first), std::min(range.end, bounds_.end)};
    if (range.empty()) return;
    std::fill(taken_.begin() + static_cast<int64_t>((range.first - bounds_.first).raw()),
              taken_.begin() + static_cast<int64_t>((range.end - bounds_.first).raw()), true);
  }

  void Sample(const JoinedCounts& counts) {
    PlaceFreePairs(counts.free[static_cast<size_t>(Migratetype::kMovable)][model::kMaxOrder.raw()]);
    ChooseTypes(counts);
    PlaceWholeUnmovable(counts.free[0][model::kPageblockOrder.raw()]);
    PlaceRemainders(counts.free[0]);
    for (size_t type = 0; type < kMigratetypes; ++type) PlaceRest(static_cast<Migratetype>(type), counts.free[type]);
  }

  // Frames below the frontier, the highest `frames` that nothing else has, ascending.
  BlockList UnmovablePerCpu(uint64_t frames) {
    BlockList list{Order(0), Migratetype::kUnmovable, {}};
    if (!frontier_.has_value()) return list;
    for (uint64_t frame = (*frontier_ + 1) * kFramesPer2M.raw();
         list.blocks.size() < frames && frame-- > bounds_.first.raw();) {
      const uint64_t block = frame / kFramesPer2M.raw();
      if (!std::binary_search(run_.begin(), run_.end(), block)) continue;
      if (TryTake(FrameNumber(frame), Order(0))) list.blocks.push_back(FrameNumber(frame));
    }
    std::reverse(list.blocks.begin(), list.blocks.end());
    return list;
  }

  // Blocks of order 1 and more in the lowest blocks of the run.
  BlockList HigherUnmovablePerCpu(Order order, uint64_t blocks, uint64_t pageblocks) {
    BlockList list{order, Migratetype::kUnmovable, {}};
    for (int draws = 0; !run_.empty() && list.blocks.size() < blocks && draws < kMaxDraws; ++draws) {
      const uint64_t block = run_[random_->Below(std::min<uint64_t>(run_.size(), pageblocks))];
      const FrameNumber first = FrameNumber(block * kFramesPer2M.raw()) +
                                FrameCount(random_->Below(kFramesPer2M.raw() >> order.raw()) << order.raw());
      if (TryTake(first, order)) list.blocks.push_back(first);
    }
    return list;
  }

  BlockList PerCpu(Migratetype type, uint64_t frames) {
    BlockList list{Order(0), type, {}};
    for (uint64_t i = 0; i < frames; ++i) {
      const std::optional<FrameNumber> frame = Draw(type, Order(0));
      if (!frame.has_value()) break;
      list.blocks.push_back(*frame);
    }
    return list;
  }

  std::vector<BlockList> FreeLists() const {
    std::vector<BlockList> lists;
    for (unsigned order = 0; order < kOrders; ++order) {
      for (unsigned type = 0; type < kMigratetypes; ++type) {
        if (lists_[order][type].empty()) continue;
        lists.push_back({Order(order), static_cast<Migratetype>(type), lists_[order][type]});
      }
    }
    return lists;
  }

  std::vector<model::BlockTypeRun> BlockTypes() const {
    std::vector<model::BlockTypeRun> runs;
    for (Migratetype type : {Migratetype::kUnmovable, Migratetype::kReclaimable}) {
      for (uint64_t block : of_type_[static_cast<size_t>(type)]) {
        runs.push_back({FrameNumber(block * kFramesPer2M.raw()), 1, type});
      }
    }
    return runs;
  }

 private:
  // Memory that boot does not keep for itself. Blocks that are memory in part count too.
  void AddMemory(FrameRange range) {
    range.first = std::max(range.first, kFirstManaged);
    if (range.empty()) return;
    std::fill(taken_.begin() + static_cast<int64_t>((range.first - bounds_.first).raw()),
              taken_.begin() + static_cast<int64_t>((range.end - bounds_.first).raw()), false);
    const uint64_t last = (range.end.raw() - 1) / kFramesPer2M.raw();
    for (uint64_t block = range.first.raw() / kFramesPer2M.raw(); block <= last; ++block) {
      if (blocks_.empty() || blocks_.back() != block) blocks_.push_back(block);
    }
  }

  bool IsFree(FrameNumber first, Order order) const {
    if (first + order.frames() > bounds_.end) return false;
    const auto from = taken_.begin() + static_cast<int64_t>((first - bounds_.first).raw());
    return std::find(from, from + static_cast<int64_t>(order.frames().raw()), true) ==
           from + static_cast<int64_t>(order.frames().raw());
  }

  bool TryTake(FrameNumber first, Order order) {
    if (!IsFree(first, order)) return false;
    std::fill_n(taken_.begin() + static_cast<int64_t>((first - bounds_.first).raw()), order.frames().raw(), true);
    return true;
  }

  void AddFree(FrameNumber first, Order order, Migratetype type) {
    lists_[order.raw()][static_cast<size_t>(type)].push_back(first);
  }

  // Free blocks of the largest order lie together at the upper end, and their list ascends (as boot left them).
  void PlaceFreePairs(uint64_t count) {
    std::vector<uint64_t> pairs;
    for (uint64_t block : blocks_) {
      if (block % 2 == 0 && !split_.contains(block) && !split_.contains(block + 1) &&
          IsFree(FrameNumber(block * kFramesPer2M.raw()), model::kMaxOrder)) {
        pairs.push_back(block);
      }
    }
    const size_t end = pairs.size() > count + kUsedTopPairs ? pairs.size() - kUsedTopPairs : pairs.size();
    for (size_t i = end - std::min<size_t>(count, end); i < end; ++i) {
      const FrameNumber first(pairs[i] * kFramesPer2M.raw());
      TryTake(first, model::kMaxOrder);
      AddFree(first, model::kMaxOrder, Migratetype::kMovable);
      free_pairs_.insert(pairs[i]);
      free_pairs_.insert(pairs[i] + 1);
    }
  }

  // Split blocks above the free memory are unmovable, and so is the run just below it; reclaimable ones lie anywhere.
  void ChooseTypes(const JoinedCounts& counts) {
    std::vector<uint64_t> rest;
    for (uint64_t block : blocks_) {
      if (!free_pairs_.contains(block)) rest.push_back(block);
    }
    const uint64_t unmovable = std::min<uint64_t>(counts.pageblocks[0], rest.size());
    std::set<uint64_t> chosen;
    for (uint64_t block : rest) {
      if (chosen.size() == unmovable) break;
      if (block == 0) chosen.insert(block);
      if (!free_pairs_.empty() && block > *free_pairs_.rbegin() && split_.contains(block)) chosen.insert(block);
    }
    for (auto block = rest.rbegin(); block != rest.rend() && chosen.size() < unmovable; ++block) {
      if (!free_pairs_.empty() && *block > *free_pairs_.begin()) continue;
      if (*block == 0) continue;
      chosen.insert(*block);
      run_.push_back(*block);
    }
    std::reverse(run_.begin(), run_.end());
    if (!run_.empty()) frontier_ = run_.back();
    of_type_[0].assign(chosen.begin(), chosen.end());
    std::erase_if(rest, [&](uint64_t block) { return chosen.contains(block); });
    for (size_t i = rest.size(); i > 1; --i) std::swap(rest[i - 1], rest[random_->Below(i)]);
    const auto reclaimable = static_cast<int64_t>(
        std::min<uint64_t>(counts.pageblocks[static_cast<size_t>(Migratetype::kReclaimable)], rest.size()));
    of_type_[static_cast<size_t>(Migratetype::kReclaimable)].assign(rest.begin(), rest.begin() + reclaimable);
    of_type_[static_cast<size_t>(Migratetype::kMovable)].assign(rest.begin() + reclaimable, rest.end());
  }

  // Whole free unmovable blocks are the last of the run; the frontier is the block below them.
  void PlaceWholeUnmovable(uint64_t count) {
    for (auto block = run_.rbegin(); block != run_.rend(); ++block) {
      frontier_ = *block;
      if (count-- == 0) return;
      const FrameNumber first(*block * kFramesPer2M.raw());
      TryTake(first, model::kPageblockOrder);
      AddFree(first, model::kPageblockOrder, Migratetype::kUnmovable);
    }
  }

  // In the frontier's block lies what expand() leaves: one block of each order below, at its own size's offset. Others
  // follow in the blocks below it, each in the first place from the end.
  void PlaceRemainders(const std::array<uint64_t, kOrders>& counts) {
    if (!frontier_.has_value()) return;
    for (unsigned order = model::kPageblockOrder.raw(); order-- > 0;) {
      if (counts[order] == 0) continue;
      const FrameNumber first = FrameNumber(*frontier_ * kFramesPer2M.raw()) + Order(order).frames();
      if (TryTake(first, Order(order))) AddFree(first, Order(order), Migratetype::kUnmovable);
    }
    for (unsigned order = model::kPageblockOrder.raw(); order-- > 0;) {
      while (lists_[order][0].size() < counts[order]) {
        const std::optional<FrameNumber> first = TakeBelowFrontier(Order(order));
        if (!first.has_value()) break;
        AddFree(*first, Order(order), Migratetype::kUnmovable);
      }
    }
  }

  // Blocks that are free next to each other would have been joined, so every second place is left out.
  std::optional<FrameNumber> TakeBelowFrontier(Order order) {
    const uint64_t skipped = remainder_blocks_ == 0 ? 0 : random_->Below(remainder_blocks_);
    for (auto block = run_.rbegin() + static_cast<int64_t>(std::min<uint64_t>(skipped, run_.size()));
         block != run_.rend(); ++block) {
      if (*block > *frontier_) continue;
      const uint64_t step = 2 * order.frames().raw();
      for (uint64_t end = kFramesPer2M.raw(); end >= step; end -= step) {
        const FrameNumber first(*block * kFramesPer2M.raw() + end - step);
        if (IsFree(first, Order(order.raw() + 1)) && TryTake(first, order)) return first;
      }
    }
    return std::nullopt;
  }

  void PlaceRest(Migratetype type, const std::array<uint64_t, kOrders>& counts) {
    const auto index = static_cast<size_t>(type);
    for (unsigned order = kOrders; order-- > 0;) {
      while (lists_[order][index].size() < counts[order]) {
        const std::optional<FrameNumber> first = Draw(type, Order(order));
        if (!first.has_value()) break;
        AddFree(*first, Order(order), type);
      }
    }
  }

  // A place in blocks of the type that nothing else has.
  std::optional<FrameNumber> Draw(Migratetype type, Order order) {
    const std::vector<uint64_t>& blocks = of_type_[static_cast<size_t>(type)];
    if (blocks.empty()) return std::nullopt;
    for (int i = 0; i < kMaxDraws; ++i) {
      FrameNumber first(blocks[random_->Below(blocks.size())] * kFramesPer2M.raw());
      if (order > model::kPageblockOrder) {
        first = first.AlignedDown(order.frames());
      } else {
        first = first + FrameCount(random_->Below(kFramesPer2M.raw() >> order.raw()) << order.raw());
      }
      if (TryTake(first, order)) return first;
    }
    return std::nullopt;
  }

  uint64_t remainder_blocks_;
  FrameRange bounds_;
  Random* random_;
  std::vector<bool> taken_;
  std::vector<uint64_t> blocks_;  // that are memory, if only in part; ascending
  std::set<uint64_t> split_;
  std::set<uint64_t> free_pairs_;
  std::vector<uint64_t> run_;  // of unmovable blocks below the free memory, ascending
  std::optional<uint64_t> frontier_;
  std::array<std::vector<uint64_t>, kMigratetypes> of_type_;
  std::array<std::array<std::vector<FrameNumber>, kMigratetypes>, kOrders> lists_;
};

uint64_t RemainderBlocks(const StartCounts& counts, uint32_t node) {
  const std::vector<uint32_t>& node_of_cpu = counts.topology.node_of_cpu();
  const auto cpus = static_cast<uint64_t>(std::count(node_of_cpu.begin(), node_of_cpu.end(), node));
  if (cpus <= 1) return 0;
  return cpus *
         (counts.rules.pcp_high_follows_load ? kBlocksWithRemaindersFollowingLoad : kBlocksWithRemaindersFixedHigh);
}

uint64_t Spread(uint64_t frames, Random* random) {
  const uint64_t spread = frames * kPerCpuSpreadPercent / 100;
  return frames - spread + random->Below(2 * spread + 1);
}

// Of a node's highest zone, where all that its processors asked for last came from.
void SamplePerCpu(const model::AllocatorRules& rules, const model::NumaTopology& topology, ZoneSampler* sampler,
                  Random* random, ZoneSnapshot* zone) {
  const bool follows = rules.pcp_high_follows_load;
  for (size_t cpu = 0; cpu < zone->per_cpu.size(); ++cpu) {
    if (topology.node_of_cpu()[cpu] != zone->node) continue;
    model::PerCpuSnapshot& lists = zone->per_cpu[cpu];
    for (BlockList list :
         {sampler->UnmovablePerCpu(Spread(follows ? kUnmovablePerCpuFollowingLoad : kUnmovablePerCpuFixedHigh, random)),
          sampler->PerCpu(Migratetype::kMovable, Spread(kMovablePerCpu, random)),
          sampler->PerCpu(Migratetype::kReclaimable,
                          Spread(follows ? kReclaimablePerCpuFollowingLoad : kReclaimablePerCpuFixedHigh, random))}) {
      if (!list.blocks.empty()) lists.lists.push_back(std::move(list));
    }
    for (unsigned order = 1; order <= kHigherUnmovablePerCpu.size(); ++order) {
      BlockList list =
          sampler->HigherUnmovablePerCpu(Order(order), kHigherUnmovablePerCpu[order - 1],
                                         follows ? kBlocksOfHigherFollowingLoad : kBlocksOfHigherFixedHigh);
      if (!list.blocks.empty()) lists.lists.push_back(std::move(list));
    }
  }
}

FrameCount FreeFrames(const ZoneSnapshot& zone) {
  FrameCount frames;
  for (const BlockList& list : zone.free) frames += FrameCount(list.blocks.size() * list.order.frames().raw());
  for (const model::PerCpuSnapshot& lists : zone.per_cpu) {
    for (const BlockList& list : lists.lists) frames += FrameCount(list.blocks.size() * list.order.frames().raw());
  }
  return frames;
}

std::string_view ZoneName(FrameNumber first) {
  for (const auto& [name, end] : kZoneEnds) {
    if (first < end) return name;
  }
  return kZoneEnds.back().first;
}

}  // namespace

absl::StatusOr<model::AllocatorSnapshot> SampleStart(const StartCounts& counts, const model::DirectMap& map,
                                                     Random random) {
  if (counts.zones.empty()) {
    return absl::InvalidArgumentError(
        "sampled start: no counts of free blocks; the capture needs a step with pagetypeinfo");
  }
  if (counts.mem_total.raw() == 0 || counts.mem_total > counts.memory.total()) {
    return absl::InvalidArgumentError(absl::StrCat("sampled start: MemTotal is ", counts.mem_total.in_kib(), " KiB of ",
                                                   counts.memory.total().in_kib(),
                                                   " KiB of memory; the capture's counts contradict its memory map"));
  }
  // Bounds, watermarks and per-CPU limits follow from the memory map alone.
  model::AllocatorSnapshot state = model::PageAllocator(counts.memory, counts.topology, counts.rules).Snapshot();
  const bool one_node = counts.topology.nodes() == 1;
  const std::set<uint64_t> split = SplitBlocks(map);
  const std::vector<FrameRange> read_only = ReadOnlyFrames(map);
  for (size_t i = 0; i < state.zones.size(); ++i) {
    ZoneSnapshot& zone = state.zones[i];
    ZoneSampler sampler(counts.memory, zone.bounds, split, RemainderBlocks(counts, zone.node), &random);
    for (const FrameRange& used : read_only) sampler.AddUsed(used);
    sampler.Sample(
        Join(counts.zones, ZoneName(zone.bounds.first), one_node ? std::nullopt : std::optional<uint32_t>(zone.node)));
    for (model::PerCpuSnapshot& lists : zone.per_cpu) lists.lists.clear();
    if (i + 1 == state.zones.size() || state.zones[i + 1].node != zone.node) {
      SamplePerCpu(counts.rules, counts.topology, &sampler, &random, &zone);
    }
    zone.free = sampler.FreeLists();
    zone.block_types = sampler.BlockTypes();
    // What the kernel reserved is a share of each zone, as far as that leaves room for what is free.
    const uint64_t share = zone.managed.raw() * counts.mem_total.raw() / counts.memory.total().raw();
    zone.managed = std::clamp(FrameCount(share), std::min(FreeFrames(zone), zone.managed), zone.managed);
  }
  return state;
}

}  // namespace dmfrag::experiment
