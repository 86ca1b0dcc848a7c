#include "worker/model/direct_map.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/check.h"

namespace dmfrag::model {
namespace {

// Frames 0..255, the ISA range, are mapped whatever they are (arch/x86/mm/init.c init_mem_mapping).
constexpr FrameNumber kIsaEnd(256);
constexpr uint64_t kMaxFrames = MemoryMap::kMaxAddressBytes / kFrameBytes;

// Joins entries into maximal runs.
class RunJoiner {
 public:
  explicit RunJoiner(const std::function<void(const LeafRun&)>& visit) : visit_(visit) {}
  ~RunJoiner() { Flush(); }
  void Add(FrameNumber first, FrameCount frames, MapLevel level, EntryFlags flags) {
    if (run_.frames.raw() > 0 && run_.first + run_.frames == first && run_.level == level && run_.flags == flags) {
      run_.frames += frames;
      return;
    }
    Flush();
    run_ = {first, frames, level, flags};
  }

 private:
  void Flush() {
    if (run_.frames.raw() > 0) visit_(run_);
    run_.frames = FrameCount(0);
  }
  const std::function<void(const LeafRun&)>& visit_;
  LeafRun run_;
};

}  // namespace

DirectMap DirectMap::Boot(const MemoryMap& memory, const BootMappingRules& rules, EntryFlags flags) {
  const uint64_t gibs = memory.end().AlignedUp(kFramesPer1G).raw() / kFramesPer1G.raw();
  DirectMap map(gibs);
  uint64_t next = 0;
  for (const FrameRange& range : memory.ranges()) {
    const uint64_t end = range.end.AlignedUp(kFramesPer1G).raw() / kFramesPer1G.raw();
    for (next = std::max(next, range.first.raw() / kFramesPer1G.raw()); next < end; ++next) {
      map.MapBootGib(memory, next, rules, flags);
    }
  }
  for (FrameNumber frame(0); frame < kIsaEnd; frame = frame + FrameCount(1)) {
    if (!map.Lookup(frame).has_value()) map.MapEntry(frame, MapLevel::k4K, flags);
  }
  return map;
}

void DirectMap::MapBootGib(const MemoryMap& memory, uint64_t gib, const BootMappingRules& rules, EntryFlags flags) {
  const FrameNumber first(gib * kFramesPer1G.raw());
  const bool large = rules.pse && !rules.debug_pagealloc;
  if (gib > 0 && memory.Covers({first, first + kFramesPer1G})) {
    if (!large) {
      MapUniform4K(first, MapLevel::k1G, flags);
    } else if (rules.gbpages) {
      MapEntry(first, MapLevel::k1G, flags);
    } else {
      gibs_[gib] = {0, flags.raw(), Kind::kUniform2M};
      Count(MapLevel::k2M, 512);
    }
    return;
  }
  for (uint64_t i = 0; i < 512; ++i) MapBoot2M(memory, first + FrameCount(i * 512), rules, flags);
}

void DirectMap::MapBoot2M(const MemoryMap& memory, FrameNumber first, const BootMappingRules& rules, EntryFlags flags) {
  if (memory.Covers({first, first + kFramesPer2M}) && first.raw() > 0) {
    if (rules.pse && !rules.debug_pagealloc) {
      MapEntry(first, MapLevel::k2M, flags);
    } else {
      MapUniform4K(first, MapLevel::k2M, flags);
    }
    return;
  }
  const auto& ranges = memory.ranges();
  auto range = std::partition_point(ranges.begin(), ranges.end(), [&](const FrameRange& r) { return r.end <= first; });
  for (; range != ranges.end() && range->first < first + kFramesPer2M; ++range) {
    const FrameNumber from = std::max(range->first, first);
    const FrameNumber to = std::min(range->end, first + kFramesPer2M);
    for (FrameNumber frame = from; frame < to; frame = frame + FrameCount(1)) MapEntry(frame, MapLevel::k4K, flags);
  }
}

void DirectMap::AddMemory(FrameRange range, const BootMappingRules& rules, EntryFlags flags) {
  const uint64_t gibs = range.end.AlignedUp(kFramesPer1G).raw() / kFramesPer1G.raw();
  if (gibs > gibs_.size()) gibs_.resize(gibs);
  const bool large = rules.pse && !rules.debug_pagealloc;
  for (FrameNumber first = range.first; first < range.end;) {
    const bool whole_gib = first.IsAligned(kFramesPer1G) && first + kFramesPer1G <= range.end;
    const MapLevel block = whole_gib && (!large || rules.gbpages) ? MapLevel::k1G : MapLevel::k2M;
    if (large) {
      MapEntry(first, block, flags);
    } else {
      MapUniform4K(first, block, flags);
    }
    first = first + FramesOf(block);
  }
}

absl::StatusOr<DirectMap> DirectMap::FromRuns(const std::vector<LeafRun>& runs) {
  FrameNumber end;
  for (size_t i = 0; i < runs.size(); ++i) {
    const LeafRun& run = runs[i];
    const FrameCount size = FramesOf(run.level);
    if (run.first < end || run.first.raw() > kMaxFrames || run.frames.raw() == 0 || run.frames.raw() > kMaxFrames ||
        (run.first + run.frames).raw() > kMaxFrames || !run.first.IsAligned(size) ||
        run.frames.raw() % size.raw() != 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "row ", i, " of the direct map (frame ", run.first.raw(), ", ", run.frames.raw(),
          " frames): rows must ascend, be aligned to their size, and end below 128 TiB; dump the map again"));
    }
    end = run.first + run.frames;
  }
  DirectMap map(end.AlignedUp(kFramesPer1G).raw() / kFramesPer1G.raw());
  for (const LeafRun& run : runs) map.MapRun(run);
  return map;
}

void DirectMap::MapRun(const LeafRun& run) {
  const FrameNumber end = run.first + run.frames;
  FrameNumber first = run.first;
  while (first < end) {
    // Whole blocks of 4K entries stay compact: nothing else is mapped in them, since rows do not overlap.
    const bool is_4k = run.level == MapLevel::k4K;
    const MapLevel block = is_4k && first.IsAligned(kFramesPer1G) && first + kFramesPer1G <= end   ? MapLevel::k1G
                           : is_4k && first.IsAligned(kFramesPer2M) && first + kFramesPer2M <= end ? MapLevel::k2M
                                                                                                   : run.level;
    if (block == run.level) {
      MapEntry(first, block, run.flags);
    } else {
      MapUniform4K(first, block, run.flags);
    }
    first = first + FramesOf(block);
  }
}

void DirectMap::MapUniform4K(FrameNumber first, MapLevel block, EntryFlags flags) {
  const Entry uniform = {0, flags.raw(), Kind::kUniform4K};
  Entry& gib = GibOf(first);
  if (block == MapLevel::k1G) {
    gib = uniform;
  } else {
    PmdTableOf(gib).entries.Set(PmdIndex(first), uniform);
  }
  Count(MapLevel::k4K, FramesOf(block).raw());
}

void DirectMap::Count(MapLevel level, uint64_t entries) {
  uint64_t& count = level == MapLevel::k1G   ? counts_.pages_1g
                    : level == MapLevel::k2M ? counts_.pages_2m
                                             : counts_.pages_4k;
  count += entries;  // wraps for a negative change, as intended
}

uint32_t DirectMap::NewPmdTable() {
  if (!free_pmd_tables_.empty()) {
    const uint32_t index = free_pmd_tables_.back();
    free_pmd_tables_.pop_back();
    return index;
  }
  pmd_tables_.emplace_back();
  return static_cast<uint32_t>(pmd_tables_.size() - 1);
}

uint32_t DirectMap::NewPteTable() {
  if (!free_pte_tables_.empty()) {
    const uint32_t index = free_pte_tables_.back();
    free_pte_tables_.pop_back();
    return index;
  }
  pte_tables_.emplace_back();
  return static_cast<uint32_t>(pte_tables_.size() - 1);
}

DirectMap::PmdTable& DirectMap::PmdTableOf(Entry& gib) {
  if (gib.kind == Kind::kTable) return pmd_tables_[gib.table];
  DCHECK(gib.kind != Kind::kLeaf);
  const uint32_t index = NewPmdTable();
  PmdTable& table = pmd_tables_[index];
  table.frame = kNoFrame;
  const Kind below = gib.kind == Kind::kUniform2M ? Kind::kLeaf : gib.kind;
  table.entries.Fill({0, gib.flags, below});
  gib = {index, 0, Kind::kTable};
  return table;
}

DirectMap::PteTable& DirectMap::PteTableOf(PmdTable& pmds, size_t index) {
  const Entry pmd = pmds.entries[index];
  if (pmd.kind == Kind::kTable) return pte_tables_[pmd.table];
  DCHECK(pmd.kind != Kind::kLeaf);
  const uint32_t new_table = NewPteTable();
  PteTable& table = pte_tables_[new_table];
  table.frame = kNoFrame;
  table.entries.Fill(pmd.kind == Kind::kHole ? 0 : static_cast<uint16_t>(pmd.flags | kMapped));
  pmds.entries.Set(index, {new_table, 0, Kind::kTable});
  return table;
}

void DirectMap::MapEntry(FrameNumber first, MapLevel level, EntryFlags flags) {
  Entry& gib = GibOf(first);
  const Entry leaf = {0, flags.raw(), Kind::kLeaf};
  if (level == MapLevel::k1G) {
    gib = leaf;
  } else if (level == MapLevel::k2M) {
    PmdTableOf(gib).entries.Set(PmdIndex(first), leaf);
  } else {
    PteTable& table = PteTableOf(PmdTableOf(gib), PmdIndex(first));
    table.entries.Set(PteIndex(first), static_cast<uint16_t>(flags.raw() | kMapped));
  }
  Count(level, 1);
}

std::optional<DirectMap::Leaf> DirectMap::Lookup(FrameNumber frame) const {
  const uint64_t gib_index = frame.raw() / kFramesPer1G.raw();
  if (gib_index >= gibs_.size()) return std::nullopt;
  const Entry* entry = &gibs_[gib_index];
  if (entry->kind == Kind::kTable) {
    entry = &pmd_tables_[entry->table].entries[PmdIndex(frame)];
    if (entry->kind == Kind::kTable) {
      const uint16_t pte = pte_tables_[entry->table].entries[PteIndex(frame)];
      if (pte == 0) return std::nullopt;
      return Leaf{MapLevel::k4K, frame, EntryFlags(pte)};
    }
    if (entry->kind == Kind::kLeaf)
      return Leaf{MapLevel::k2M, frame.AlignedDown(kFramesPer2M), EntryFlags(entry->flags)};
  }
  switch (entry->kind) {
    case Kind::kLeaf:
      return Leaf{MapLevel::k1G, frame.AlignedDown(kFramesPer1G), EntryFlags(entry->flags)};
    case Kind::kUniform2M:
      return Leaf{MapLevel::k2M, frame.AlignedDown(kFramesPer2M), EntryFlags(entry->flags)};
    case Kind::kUniform4K:
      return Leaf{MapLevel::k4K, frame, EntryFlags(entry->flags)};
    case Kind::kHole:
    case Kind::kTable:
      break;
  }
  return std::nullopt;
}

void DirectMap::SetFlags(FrameNumber frame, EntryFlags flags) {
  Entry& gib = GibOf(frame);
  if (gib.kind == Kind::kLeaf) {
    gib.flags = flags.raw();
    return;
  }
  PmdTable& pmds = PmdTableOf(gib);
  const size_t index = PmdIndex(frame);
  if (pmds.entries[index].kind == Kind::kLeaf) {
    pmds.entries.Set(index, {0, flags.raw(), Kind::kLeaf});
    return;
  }
  PteTableOf(pmds, index).entries.Set(PteIndex(frame), static_cast<uint16_t>(flags.raw() | kMapped));
}

void DirectMap::Split(FrameNumber frame, EntryFlags flags, FrameNumber table) {
  Entry& gib = GibOf(frame);
  if (gib.kind == Kind::kLeaf) {
    gib = {0, flags.raw(), Kind::kUniform2M};
    PmdTableOf(gib).frame = table;
    Count(MapLevel::k1G, ~uint64_t{0});
    Count(MapLevel::k2M, 512);
    return;
  }
  PmdTable& pmds = PmdTableOf(gib);
  const size_t index = PmdIndex(frame);
  CHECK(pmds.entries[index].kind == Kind::kLeaf);
  pmds.entries.Set(index, {0, flags.raw(), Kind::kUniform4K});
  PteTableOf(pmds, index).frame = table;
  Count(MapLevel::k2M, ~uint64_t{0});
  Count(MapLevel::k4K, 512);
}

std::optional<EntryFlags> DirectMap::UniformFlags(FrameNumber frame, MapLevel level) const {
  const uint64_t gib_index = frame.raw() / kFramesPer1G.raw();
  if (gib_index >= gibs_.size()) return std::nullopt;
  const Entry& gib = gibs_[gib_index];
  if (level == MapLevel::k1G) {
    if (gib.kind == Kind::kUniform2M) return EntryFlags(gib.flags);
    if (gib.kind != Kind::kTable) return std::nullopt;
    const auto& entries = pmd_tables_[gib.table].entries;
    const bool alike = entries.AllAlike() && entries[0].kind == Kind::kLeaf;
    return alike ? std::optional(EntryFlags(entries[0].flags)) : std::nullopt;
  }
  if (gib.kind == Kind::kUniform4K) return EntryFlags(gib.flags);
  if (gib.kind != Kind::kTable) return std::nullopt;
  const Entry& pmd = pmd_tables_[gib.table].entries[PmdIndex(frame)];
  if (pmd.kind == Kind::kUniform4K) return EntryFlags(pmd.flags);
  if (pmd.kind != Kind::kTable) return std::nullopt;
  const auto& entries = pte_tables_[pmd.table].entries;
  const bool alike = entries.AllAlike();  // and mapped: a table is made for its first entry
  return alike ? std::optional(EntryFlags(entries[0])) : std::nullopt;
}

FrameNumber DirectMap::Collapse(FrameNumber frame, MapLevel level) {
  const std::optional<EntryFlags> flags = UniformFlags(frame, level);
  CHECK(flags.has_value());
  Entry& gib = GibOf(frame);
  FrameNumber table = kNoFrame;
  if (level == MapLevel::k1G) {
    if (gib.kind == Kind::kTable) {
      table = pmd_tables_[gib.table].frame;
      free_pmd_tables_.push_back(gib.table);
    }
    gib = {0, flags->raw(), Kind::kLeaf};
    Count(MapLevel::k2M, ~uint64_t{511});
    Count(MapLevel::k1G, 1);
    return table;
  }
  PmdTable& pmds = PmdTableOf(gib);
  const size_t index = PmdIndex(frame);
  const Entry pmd = pmds.entries[index];
  if (pmd.kind == Kind::kTable) {
    table = pte_tables_[pmd.table].frame;
    free_pte_tables_.push_back(pmd.table);
  }
  pmds.entries.Set(index, {0, flags->raw(), Kind::kLeaf});
  Count(MapLevel::k4K, ~uint64_t{511});
  Count(MapLevel::k2M, 1);
  return table;
}

void DirectMap::ForEachRun(const std::function<void(const LeafRun&)>& visit) const {
  RunJoiner runs(visit);
  const auto visit_pmd = [&](const Entry& pmd, FrameNumber first) {
    if (pmd.kind == Kind::kLeaf) runs.Add(first, kFramesPer2M, MapLevel::k2M, EntryFlags(pmd.flags));
    if (pmd.kind == Kind::kUniform4K) runs.Add(first, kFramesPer2M, MapLevel::k4K, EntryFlags(pmd.flags));
    if (pmd.kind != Kind::kTable) return;
    const auto& entries = pte_tables_[pmd.table].entries;
    for (size_t i = 0; i < 512; ++i) {
      if (entries[i] != 0) runs.Add(first + FrameCount(i), kFramesPer4K, MapLevel::k4K, EntryFlags(entries[i]));
    }
  };
  for (size_t g = 0; g < gibs_.size(); ++g) {
    const Entry& gib = gibs_[g];
    const FrameNumber first(g * kFramesPer1G.raw());
    if (gib.kind == Kind::kLeaf) runs.Add(first, kFramesPer1G, MapLevel::k1G, EntryFlags(gib.flags));
    if (gib.kind == Kind::kUniform2M) runs.Add(first, kFramesPer1G, MapLevel::k2M, EntryFlags(gib.flags));
    if (gib.kind == Kind::kUniform4K) runs.Add(first, kFramesPer1G, MapLevel::k4K, EntryFlags(gib.flags));
    if (gib.kind != Kind::kTable) continue;
    const auto& entries = pmd_tables_[gib.table].entries;
    for (size_t i = 0; i < 512; ++i) visit_pmd(entries[i], first + FrameCount(i * 512));
  }
}

void DirectMap::ForEachSplitBlock(const std::function<void(FrameNumber)>& visit) const {
  for (size_t g = 0; g < gibs_.size(); ++g) {
    if (gibs_[g].kind != Kind::kTable) continue;
    const auto& entries = pmd_tables_[gibs_[g].table].entries;
    for (size_t i = 0; i < 512; ++i) {
      if (entries[i].kind != Kind::kTable || pte_tables_[entries[i].table].frame == kNoFrame) continue;
      visit(FrameNumber(g * kFramesPer1G.raw()) + FrameCount(i * 512));
    }
  }
}

size_t DirectMap::MemoryBytes() const {
  // A deque keeps a pointer to each of its blocks, and each of these tables fills one.
  return sizeof(*this) + gibs_.capacity() * sizeof(Entry) + pmd_tables_.size() * (sizeof(PmdTable) + sizeof(void*)) +
         pte_tables_.size() * (sizeof(PteTable) + sizeof(void*)) +
         (free_pmd_tables_.capacity() + free_pte_tables_.capacity()) * sizeof(uint32_t);
}

absl::Status DirectMap::CheckInvariants() const {
  if (absl::Status status = CheckTables(); !status.ok()) return status;
  return CheckCounts();
}

absl::Status DirectMap::CheckTables() const {
  std::vector<int> pmd_uses(pmd_tables_.size());
  std::vector<int> pte_uses(pte_tables_.size());
  for (uint32_t table : free_pmd_tables_) ++pmd_uses[table];
  for (uint32_t table : free_pte_tables_) ++pte_uses[table];
  for (const Entry& gib : gibs_) {
    if (gib.kind != Kind::kTable) continue;
    ++pmd_uses[gib.table];
    const EntryTable<Entry>& pmds = pmd_tables_[gib.table].entries;
    if (!pmds.CheckInvariants()) return absl::InternalError("direct map: a PMD table miscounts unequal neighbours");
    for (size_t i = 0; i < 512; ++i) {
      if (pmds[i].kind != Kind::kTable) continue;
      ++pte_uses[pmds[i].table];
      if (!pte_tables_[pmds[i].table].entries.CheckInvariants()) {
        return absl::InternalError("direct map: a PTE table miscounts unequal neighbours");
      }
    }
  }
  const auto once = [](int uses) { return uses == 1; };
  if (std::all_of(pmd_uses.begin(), pmd_uses.end(), once) && std::all_of(pte_uses.begin(), pte_uses.end(), once)) {
    return absl::OkStatus();
  }
  return absl::InternalError("direct map: a table is in use twice, or lost");
}

absl::Status DirectMap::CheckCounts() const {
  LeafCounts found;
  ForEachRun([&](const LeafRun& run) {
    const uint64_t entries = run.frames.raw() / FramesOf(run.level).raw();
    (run.level == MapLevel::k1G   ? found.pages_1g
     : run.level == MapLevel::k2M ? found.pages_2m
                                  : found.pages_4k) += entries;
  });
  if (found == counts_) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("direct map: counted ", found.pages_4k, " 4K, ", found.pages_2m, " 2M, ",
                                          found.pages_1g, " 1G entries, but keeps ", counts_.pages_4k, ", ",
                                          counts_.pages_2m, ", ", counts_.pages_1g));
}

}  // namespace dmfrag::model
