#include "worker/convert/recording_machine.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/model/boot_mapping.h"
#include "worker/model/direct_map.h"
#include "worker/model/entry_flags.h"
#include "worker/model/memory_map.h"
#include "worker/model/migratetype.h"
#include "worker/workload/boot_input.h"
#include "worker/workload/words.h"

namespace dmfrag::convert {
namespace {

using model::ByteRange;
using model::DirectMap;
using model::FrameCount;
using model::FrameNumber;
using model::MapLevel;
using workload::Random;
using workload::WordsOf;

absl::Status Wrong(std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("the recording's machine: ", std::string(what)));
}

std::vector<std::string> LinesOf(std::string_view text) {
  std::vector<std::string> lines;
  for (const std::string_view line : WordsOf(text, "\r\n")) lines.emplace_back(line);
  return lines;
}

// The layout of a PC of the size that MemTotal suggests: the kernel keeps some for itself.
absl::StatusOr<model::MemoryMap> DrawnMemory(const v1::MachineSnapshot& machine,
                                             std::vector<std::string>& limitations) {
  const std::optional<int64_t> total_kib = LineValue(machine.meminfo(), "MemTotal");
  if (!total_kib.has_value()) {
    return Wrong(
        "neither the firmware's memory map nor meminfo was recorded; leave machine.boot_snapshot_sha256 out, and give "
        "machine.memory_bytes");
  }
  constexpr uint64_t kStep = uint64_t{256} << 20;
  const uint64_t bytes = (static_cast<uint64_t>(*total_kib) * 1024 + kStep - 1) / kStep * kStep;
  limitations.push_back(absl::StrCat("where memory lies was not recorded: a PC's layout of ", bytes >> 20,
                                     " MiB, the next multiple of 256 MiB above MemTotal"));
  return model::MemoryMap::Pc(bytes);
}

absl::StatusOr<model::MemoryMap> MemoryOf(const v1::MachineSnapshot& machine, std::vector<std::string>& limitations) {
  if (machine.usable().empty()) return DrawnMemory(machine, limitations);
  std::vector<ByteRange> ranges;
  for (const v1::MemoryRange& range : machine.usable()) ranges.push_back({range.start_bytes(), range.end_bytes()});
  return model::MemoryMap::FromUsableRanges(ranges);
}

model::BootMappingRules MappingOf(const v1::MachineSnapshot& machine) {
  const workload::BootOptions options = workload::ParseCommandLine(machine.command_line());
  const std::vector<std::string_view> flags = WordsOf(machine.cpu_flags(), " \t\n");
  const auto has = [&](std::string_view flag) { return std::find(flags.begin(), flags.end(), flag) != flags.end(); };
  // Without the processor's flags, the kernel's own lines tell: it prints one for each size it may use.
  const bool known = !flags.empty();
  model::BootMappingRules rules;
  rules.pse = known ? has("pse") : true;
  rules.debug_pagealloc = options.debug_pagealloc;
  const bool has_1g = known ? has("pdpe1gb") : LineValue(machine.meminfo(), "DirectMap1G").has_value();
  rules.gbpages = options.gbpages && rules.pse && !rules.debug_pagealloc && has_1g;
  return rules;
}

absl::StatusOr<std::vector<model::LeafRun>> RecordedRuns(const v1::MachineSnapshot& machine) {
  std::vector<model::LeafRun> runs;
  for (const v1::DirectMapRun& run : machine.direct_map()) {
    if (run.order() != 0 && run.order() != 9 && run.order() != 18) {
      return Wrong(absl::StrCat("a run of the direct map has order ", run.order(), "; expected 0, 9 or 18"));
    }
    const MapLevel level = run.order() == 0 ? MapLevel::k4K : (run.order() == 9 ? MapLevel::k2M : MapLevel::k1G);
    // The dirty bit is left out of recordings; entries that may be written have it from boot on.
    model::EntryFlags flags = model::EntryFlags::FromX86(run.flags(), level);
    if (flags.Has(model::EntryFlags::kWritable)) flags = flags.With(model::EntryFlags(model::EntryFlags::kDirty));
    runs.push_back({FrameNumber(run.first_pfn()), FrameCount(run.pages()), level, flags});
  }
  return runs;
}

// Splits `excess` entries of `level`, each as likely as any other.
void SplitSome(MapLevel level, uint64_t excess, Random& random, DirectMap& map) {
  const uint64_t frames = level == MapLevel::k1G ? model::kFramesPer1G.raw() : model::kFramesPer2M.raw();
  std::vector<FrameNumber> entries;
  map.ForEachRun([&](const model::LeafRun& run) {
    if (run.level != level) return;
    for (uint64_t i = 0; i < run.frames.raw() / frames; ++i) entries.push_back(run.first + FrameCount(i * frames));
  });
  for (uint64_t left = std::min<uint64_t>(excess, entries.size()); left > 0; --left) {
    const uint64_t chosen = random.Below(entries.size());
    const FrameNumber first = entries[chosen];
    entries[chosen] = entries.back();
    entries.pop_back();
    map.Split(first, map.Lookup(first)->flags, DirectMap::kNoFrame);
  }
}

std::vector<model::LeafRun> DrawnRuns(const v1::MachineSnapshot& machine, const model::MemoryMap& memory,
                                      const model::BootMappingRules& rules, Random random,
                                      std::vector<std::string>& limitations) {
  DirectMap map = DirectMap::Boot(memory, rules, model::EntryFlags::PageKernel());
  const auto excess = [&](std::string_view line, uint64_t entries, int kib_shift) -> uint64_t {
    const std::optional<int64_t> kib = LineValue(machine.meminfo(), line);
    if (!kib.has_value() || *kib < 0) return 0;
    const uint64_t printed = static_cast<uint64_t>(*kib) >> kib_shift;
    return printed < entries ? entries - printed : 0;
  };
  const uint64_t of_1g = excess("DirectMap1G", map.counts().pages_1g, 20);
  SplitSome(MapLevel::k1G, of_1g, random, map);
  const uint64_t of_2m = excess("DirectMap2M", map.counts().pages_2m, 11);
  SplitSome(MapLevel::k2M, of_2m, random, map);
  limitations.push_back(absl::StrCat("the direct map was not read: the boot rule's, with ", of_1g, " 1G and ", of_2m,
                                     " 2M pages split where the seed draws them, as meminfo has it"));
  std::vector<model::LeafRun> runs;
  map.ForEachRun([&](const model::LeafRun& run) { runs.push_back(run); });
  return runs;
}

// What the kernel printed; where it did not, what the map has.
workload::KernelCounters CountersOf(const v1::MachineSnapshot& machine, const DirectMap& map) {
  const auto kib = [&](std::string_view line, uint64_t pages, int shift) {
    return LineValue(machine.meminfo(), line).value_or(static_cast<int64_t>(pages << shift));
  };
  workload::KernelCounters counters;
  counters.direct_map_4k_kib = kib("DirectMap4k", map.counts().pages_4k, 2);
  counters.direct_map_2m_kib = kib("DirectMap2M", map.counts().pages_2m, 11);
  counters.direct_map_1g_kib = kib("DirectMap1G", map.counts().pages_1g, 20);
  counters.level2_splits = LineValue(machine.vmstat(), "direct_map_level2_splits").value_or(0);
  counters.level3_splits = LineValue(machine.vmstat(), "direct_map_level3_splits").value_or(0);
  counters.level2_collapses = LineValue(machine.vmstat(), "direct_map_level2_collapses");
  counters.level3_collapses = LineValue(machine.vmstat(), "direct_map_level3_collapses");
  return counters;
}

// Rows "Node 0, zone   Normal  1 2 ...".
absl::StatusOr<std::vector<workload::ZoneFreeCounts>> ParseBuddyInfo(std::string_view text) {
  std::vector<workload::ZoneFreeCounts> zones;
  for (const std::string& line : LinesOf(text)) {
    const std::vector<std::string_view> words = WordsOf(line, " ,\t");
    constexpr size_t kFirst = 4;
    const auto node = words.size() == kFirst + model::kOrders ? workload::NumberOf<uint32_t>(words[1]) : std::nullopt;
    if (!node.has_value()) return Wrong(absl::StrCat("buddyinfo: \"", line, "\" is no line that the kernel prints"));
    workload::ZoneFreeCounts zone{.node = *node, .zone = std::string(words[3])};
    for (size_t order = 0; order < model::kOrders; ++order) {
      const auto count = workload::NumberOf<uint64_t>(words[kFirst + order]);
      if (!count.has_value() || *count >= uint64_t{1} << 40) {
        return Wrong(absl::StrCat("buddyinfo: \"", line, "\" is no line that the kernel prints"));
      }
      zone.free[order] = *count;
    }
    zones.push_back(std::move(zone));
  }
  return zones;
}

uint64_t PageblocksOf(const model::MemoryMap& memory, std::string_view zone) {
  constexpr uint64_t kDmaEnd = uint64_t{16} << 20 >> 12;
  constexpr uint64_t kDma32End = uint64_t{4} << 30 >> 12;
  const uint64_t first = zone == "DMA" ? 0 : (zone == "DMA32" ? kDmaEnd : kDma32End);
  const uint64_t end = zone == "DMA" ? kDmaEnd : (zone == "DMA32" ? kDma32End : ~uint64_t{0});
  uint64_t frames = 0;
  for (const model::FrameRange& range : memory.ranges()) {
    const uint64_t from = std::max(first, range.first.raw());
    const uint64_t to = std::min(end, range.end.raw());
    if (from < to) frames += to - from;
  }
  return frames / model::kFramesPer2M.raw();
}

workload::ZoneTypeCounts DrawTypes(const workload::ZoneFreeCounts& zone, uint64_t pageblocks, Random& random) {
  constexpr uint64_t kUnmovableIn16 = 2;
  constexpr uint64_t kReclaimableIn16 = 1;
  workload::ZoneTypeCounts types{.node = zone.node, .zone = zone.zone};
  constexpr auto kUnmovable = static_cast<size_t>(model::Migratetype::kUnmovable);
  constexpr auto kReclaimable = static_cast<size_t>(model::Migratetype::kReclaimable);
  constexpr auto kMovable = static_cast<size_t>(model::Migratetype::kMovable);
  types.pageblocks[kUnmovable] = pageblocks * kUnmovableIn16 / 16;
  types.pageblocks[kReclaimable] = pageblocks * kReclaimableIn16 / 16;
  types.pageblocks[kMovable] = pageblocks - types.pageblocks[kUnmovable] - types.pageblocks[kReclaimable];
  for (size_t order = 0; order < model::kOrders; ++order) {
    if (order >= model::kPageblockOrder.raw()) {
      types.free[kMovable][order] = zone.free[order];
      continue;
    }
    const auto share = [&](uint64_t in_16) { return (zone.free[order] * in_16 + random.Below(16)) / 16; };
    types.free[kUnmovable][order] = std::min(share(kUnmovableIn16), zone.free[order]);
    types.free[kReclaimable][order] =
        std::min(share(kReclaimableIn16), zone.free[order] - types.free[kUnmovable][order]);
    types.free[kMovable][order] = zone.free[order] - types.free[kUnmovable][order] - types.free[kReclaimable][order];
  }
  return types;
}

absl::StatusOr<workload::FreeCounts> FreeOf(const v1::MachineSnapshot& machine, const model::MemoryMap& memory,
                                            Random random, std::vector<std::string>& limitations) {
  workload::FreeCounts counts;
  const std::optional<int64_t> total_kib = LineValue(machine.meminfo(), "MemTotal");
  counts.mem_total = total_kib.has_value() ? FrameCount(static_cast<uint64_t>(*total_kib) / 4) : memory.total();
  limitations.push_back(
      "where free blocks lie, in which order lists hold them, and what per-CPU lists hold is in no file of the kernel: "
      "the seed draws it");
  if (!machine.pagetypeinfo().empty()) {
    ASSIGN_OR_RETURN(counts.types, workload::ParsePageTypeInfo(LinesOf(machine.pagetypeinfo())));
    if (counts.types.empty()) return Wrong("pagetypeinfo: no line is one that the kernel prints");
    return counts;
  }
  if (machine.buddyinfo().empty()) {
    return Wrong(
        "neither pagetypeinfo nor buddyinfo was recorded, so that its free memory is not known; leave "
        "machine.boot_snapshot_sha256 out, and give machine.memory_bytes");
  }
  ASSIGN_OR_RETURN(const std::vector<workload::ZoneFreeCounts> zones, ParseBuddyInfo(machine.buddyinfo()));
  for (const workload::ZoneFreeCounts& zone : zones) {
    if (zone.node != 0) {
      return Wrong("it has several nodes, and pagetypeinfo was not recorded; record it again as root");
    }
    counts.types.push_back(DrawTypes(zone, PageblocksOf(memory, zone.zone), random));
  }
  limitations.push_back(
      "pagetypeinfo was not recorded: one pageblock in eight is taken to be unmovable and one in 16 reclaimable, and "
      "so "
      "are free blocks below their size");
  return counts;
}

}  // namespace

std::optional<int64_t> LineValue(std::string_view text, std::string_view name) {
  for (const std::string_view line : WordsOf(text, "\r\n")) {
    const std::vector<std::string_view> words = WordsOf(line, " :\t");
    if (words.size() >= 2 && words[0] == name) return workload::NumberOf<int64_t>(words[1]);
  }
  return std::nullopt;
}

std::optional<std::array<int64_t, model::kOrders>> BuddyInfoTotals(std::string_view text) {
  const auto zones = ParseBuddyInfo(text);
  if (!zones.ok() || zones->empty()) return std::nullopt;
  std::array<int64_t, model::kOrders> totals{};
  for (const workload::ZoneFreeCounts& zone : *zones) {
    for (size_t order = 0; order < model::kOrders; ++order) totals[order] += static_cast<int64_t>(zone.free[order]);
  }
  return totals;
}

absl::StatusOr<RecordedMachine> MachineOfRecording(const v1::MachineSnapshot& machine, Random random) {
  std::vector<std::string> limitations(machine.missing().begin(), machine.missing().end());
  ASSIGN_OR_RETURN(model::MemoryMap memory, MemoryOf(machine, limitations));
  const model::BootMappingRules rules = MappingOf(machine);
  std::vector<model::LeafRun> runs;
  if (machine.direct_map().empty()) {
    runs = DrawnRuns(machine, memory, rules, random.Derive("direct_map"), limitations);
  } else {
    ASSIGN_OR_RETURN(runs, RecordedRuns(machine));
  }
  ASSIGN_OR_RETURN(const DirectMap map, DirectMap::FromRuns(runs));
  ASSIGN_OR_RETURN(workload::FreeCounts counts, FreeOf(machine, memory, random.Derive("free_types"), limitations));
  constexpr uint32_t kMostCpus = 4096;
  workload::ReplayInput input{.capture_id = "recording",
                              .kernel = machine.kernel_release(),
                              .release = {},
                              .cpus = std::clamp<uint32_t>(machine.cpus(), 1, kMostCpus),
                              .memory = std::move(memory),
                              .mapping = rules,
                              .start_step = 0,
                              .start_runs = std::move(runs),
                              .start_counters = CountersOf(machine, map),
                              .steps = {},
                              .limitation = {}};
  return RecordedMachine{{.input = std::move(input), .step = 0, .lists = std::nullopt, .counts = std::move(counts)},
                         std::move(limitations)};
}

}  // namespace dmfrag::convert
