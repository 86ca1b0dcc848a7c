#include "worker/model/boot_mapping.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "worker/model/attribute_changer.h"
#include "worker/model/cpa_rules.h"
#include "worker/model/early_code.h"
#include "worker/model/event_counters.h"
#include "worker/model/table_page_source.h"
#include "worker/model/tlb_flushes.h"

namespace dmfrag::model {
namespace {

constexpr FrameNumber kIsaEnd(256);      // ISA_END_ADDRESS, 1 MiB
constexpr unsigned kStepGrowthLog2 = 8;  // get_new_step_size: PMD_SHIFT - PAGE_SHIFT - 1

// Counts what each call of init_memory_mapping meets.
class MappingCounter {
 public:
  MappingCounter(const MemoryMap& memory, const DirectMap& map) : ranges_(memory.ranges()) {
    map.ForEachRun([this](const LeafRun& run) { runs_.push_back(run); });
  }

  // init_memory_mapping, whatever memory there is: counts each entry that maps part of `range`.
  void Meet(FrameRange range) {
    auto run = std::partition_point(runs_.begin(), runs_.end(),
                                    [&](const LeafRun& r) { return r.first + r.frames <= range.first; });
    for (; run != runs_.end() && run->first < range.end; ++run) {
      const FrameCount first = std::max(range.first, run->first) - run->first;
      const FrameCount end = std::min(range.end, run->first + run->frames) - run->first;
      const uint64_t size = FramesOf(run->level).raw();
      uint64_t& count = run->level == MapLevel::k1G   ? counters_.pages_1g
                        : run->level == MapLevel::k2M ? counters_.pages_2m
                                                      : counters_.pages_4k;
      count += (end.raw() + size - 1) / size - first.raw() / size;
    }
  }

  // init_range_memory_mapping: a call for each range of memory. Returns how much there was.
  FrameCount MeetMemory(FrameRange range) {
    FrameCount mapped;
    auto memory =
        std::partition_point(ranges_.begin(), ranges_.end(), [&](const FrameRange& r) { return r.end <= range.first; });
    for (; memory != ranges_.end() && memory->first < range.end; ++memory) {
      const FrameRange common{std::max(range.first, memory->first), std::min(range.end, memory->end)};
      Meet(common);
      mapped += common.count();
    }
    return mapped;
  }

  const DirectMapCounters& counters() const { return counters_; }

 private:
  const std::vector<FrameRange>& ranges_;
  std::vector<LeafRun> runs_;  // ascending
  DirectMapCounters counters_;
};

bool Overlap(FrameRange a, FrameRange b) { return a.first < b.end && b.first < a.end; }

// The end of the topmost 2M block above 1 MiB that is memory and not reserved.
FrameNumber TopmostFreeEnd(const BootMachine& machine) {
  const FrameRange image = machine.image.has_value() ? machine.image->frames() : FrameRange{};
  const FrameRange initrd = machine.initrd.value_or(FrameRange{});
  const auto& ranges = machine.memory.ranges();
  for (auto range = ranges.rbegin(); range != ranges.rend(); ++range) {
    const FrameNumber bottom = std::max(range->first, kIsaEnd) + kFramesPer2M;
    for (FrameNumber end = range->end.AlignedDown(kFramesPer2M); end >= bottom;
         end = FrameNumber(end.raw() - kFramesPer2M.raw())) {
      const FrameRange block{FrameNumber(end.raw() - kFramesPer2M.raw()), end};
      if (!Overlap(block, image) && !Overlap(block, initrd)) return end;
    }
  }
  return std::max(kIsaEnd, machine.memory.end().AlignedDown(kFramesPer2M));
}

// Page tables from nowhere in particular: those of boot are not tracked.
class BootTables : public TablePageSource {
 public:
  std::optional<FrameNumber> TakeTable(MapLevel, FrameNumber) override { return DirectMap::kNoFrame; }
  void ReturnTable(FrameNumber) override {}
};

EntryFlags BootFlags(const BootMachine& machine) {
  const EntryFlags flags = EntryFlags::PageKernel();
  return machine.page_isolation ? flags.Without(EntryFlags(EntryFlags::kGlobal)) : flags;
}

}  // namespace

DirectMapCounters CountBootMapping(const BootMachine& machine, const DirectMap& map) {
  MappingCounter counter(machine.memory, map);
  const FrameNumber end = machine.memory.end();
  counter.Meet({FrameNumber(0), kIsaEnd});

  // memory_map_top_down.
  const FrameNumber real_end = TopmostFreeEnd(machine);
  FrameCount step = kFramesPer2M;
  FrameCount mapped;
  for (FrameNumber last = real_end; last > kIsaEnd;) {
    FrameNumber start = kIsaEnd;
    if (last.raw() > step.raw()) start = std::max(FrameNumber(last.raw() - 1).AlignedDown(step), kIsaEnd);
    mapped += counter.MeetMemory({start, last});
    last = start;
    if (mapped >= step) step = FrameCount(step.raw() << kStepGrowthLog2);
  }
  if (real_end < end) counter.MeetMemory({real_end, end});
  return counter.counters();
}

BootMapping PredictBootMapping(const BootMachine& machine) {
  BootMapping boot{DirectMap::Boot(machine.memory, machine.rules, BootFlags(machine)), {}};
  boot.counters = CountBootMapping(machine, boot.map);
  boot.counters.system_running = false;

  BootTables tables;
  EventCounters events;
  AttributeChanger changer(&boot.map, &boot.counters, &tables, TlbFlushes(machine.cpus), CpaRules::Of(machine.release));
  if (machine.image.has_value()) {
    VirtualMap image = MapKernelImage(*machine.image);
    for (const VirtualAttributeRequest& request : KernelImageRequests(*machine.image)) {
      changer.Change(image, request, events);
    }
  }
  for (const AttributeRequest& request : EarlyCodeRequests(machine)) changer.Change(request, events);
  boot.counters.system_running = true;
  return boot;
}

}  // namespace dmfrag::model
