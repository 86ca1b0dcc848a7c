#ifndef DMFRAG_WORKER_MODEL_DIRECT_MAP_H_
#define DMFRAG_WORKER_MODEL_DIRECT_MAP_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "worker/model/entry_flags.h"
#include "worker/model/entry_table.h"
#include "worker/model/memory_map.h"
#include "worker/model/units.h"

namespace dmfrag::model {

constexpr FrameCount FramesOf(MapLevel level) {
  return level == MapLevel::k1G ? kFramesPer1G : level == MapLevel::k2M ? kFramesPer2M : kFramesPer4K;
}

// Entries of each size.
struct LeafCounts {
  uint64_t pages_4k = 0;
  uint64_t pages_2m = 0;
  uint64_t pages_1g = 0;
  friend bool operator==(const LeafCounts&, const LeafCounts&) = default;
};

// Which page sizes the kernel may use at boot (arch/x86/mm/init.c probe_page_size_mask).
struct BootMappingRules {
  bool gbpages = true;           // the processor has 1G pages and the command line allows them
  bool pse = true;               // the processor has 2M pages
  bool debug_pagealloc = false;  // everything 4K
};

// Equal neighbouring entries: `frames` of memory from `first`, all mapped at `level` with `flags`.
struct LeafRun {
  FrameNumber first;
  FrameCount frames;
  MapLevel level = MapLevel::k4K;
  EntryFlags flags;
  friend bool operator==(const LeafRun&, const LeafRun&) = default;
};

// The direct map: which entry maps each frame, and the page tables between. It holds state and keeps it consistent;
// which change is made is decided by AttributeChanger (the kernel's CPA).
//
// A GiB costs 8 bytes while it is one entry or all its entries are alike, and 4 KiB once its 2M entries differ; a 2M
// block costs 1 KiB more once its 4K entries may differ. So a machine of 64 TiB starts at once, with debug_pagealloc
// too. Thread-compatible. Every operation takes constant time unless it says otherwise; the first change within a GiB
// or a 2M block of the cheap form also writes the 512 entries of its table.
class DirectMap {
 public:
  // The entry that maps a frame. `first` is the first frame it maps.
  struct Leaf {
    MapLevel level = MapLevel::k4K;
    FrameNumber first;
    EntryFlags flags;
  };
  // Frame of a page table that was in place at boot, and whose place is not known.
  static constexpr FrameNumber kNoFrame{~uint64_t{0}};

  // As the kernel maps memory at boot: 1G where the whole 1G is memory, else 2M where the whole 2M is, else 4K for
  // exactly the frames that are memory; the first 2M is 4K always, and frames 0 to 255 are mapped whatever they are.
  // Measured on 64 boots with odd e820 maps. Splits that the kernel makes during boot (its image, first modules) are
  // not part of the rule.
  static DirectMap Boot(const MemoryMap& memory, const BootMappingRules& rules, EntryFlags flags);

  // Maps memory that is added to a running machine, [range.first, range.end): 1G for what is a whole 1G of it, else 2M.
  // Simplification: in one call, whatever the size; with memmap_on_memory the kernel adds one memory block at a time,
  // and has no 1G pages then. Source: arch/x86/mm/init_64.c arch_add_memory, arch/x86/mm/init.c split_mem_range.
  // REQUIRES: the range is made of whole 2M blocks, and nothing is mapped there.
  void AddMemory(FrameRange range, const BootMappingRules& rules, EntryFlags flags);

  // From a dump, rows ascending.
  // Errors: kInvalidArgument if rows overlap, descend, or are not aligned to their level.
  static absl::StatusOr<DirectMap> FromRuns(const std::vector<LeafRun>& runs);

  // The entry of a frame; nullopt in a hole.
  std::optional<Leaf> Lookup(FrameNumber frame) const;

  // Rewrites the flags of the entry that maps `frame`. REQUIRES: Lookup(frame) has a value.
  void SetFlags(FrameNumber frame, EntryFlags flags);

  // Splits the entry that maps `frame` into 512 entries one level below, which get `flags`, held in the page table
  // `table`. REQUIRES: Lookup(frame) has a value of level 2M or 1G.
  void Split(FrameNumber frame, EntryFlags flags, FrameNumber table);

  // If the 512 entries of the next lower level that fill the `level` block around `frame` are mapped and have the same
  // flags, those flags.
  std::optional<EntryFlags> UniformFlags(FrameNumber frame, MapLevel level) const;

  // Replaces those 512 entries by one, and returns the frame of the page table that is no longer used (kNoFrame if it
  // was there at boot). REQUIRES: UniformFlags(frame, level) has a value.
  FrameNumber Collapse(FrameNumber frame, MapLevel level);

  LeafCounts counts() const { return counts_; }
  // One past the last frame that may be mapped.
  FrameNumber end() const { return FrameNumber(gibs_.size() * kFramesPer1G.raw()); }

  // Calls `visit` with maximal runs of equal neighbouring entries, ascending. Linear in the number of tables.
  void ForEachRun(const std::function<void(const LeafRun&)>& visit) const;

  // Calls `visit` with the first frame of every 2M block whose entry was split since boot, ascending. Linear in the
  // number of tables.
  void ForEachSplitBlock(const std::function<void(FrameNumber)>& visit) const;

  // Memory that the state takes, tables kept for reuse included.
  size_t MemoryBytes() const;

  // Recounts every entry and compares with counts(), rescans every table for whether it is uniform, and looks for
  // tables in use twice, or not at all. Linear in the number of tables. Errors: kInternal names the difference.
  absl::Status CheckInvariants() const;

 private:
  // What an entry of an upper table is. A hole maps nothing; a uniform entry stands for a table whose entries are all
  // alike.
  enum class Kind : uint8_t {
    kHole,
    kLeaf,
    kUniform2M,  // in a GiB alone: 512 entries of 2M
    kUniform4K,  // 4K entries throughout
    kTable,
  };
  // Entries of kTable never equal each other, since no two share a table.
  struct Entry {
    uint32_t table = 0;  // index into pmd_tables_ or pte_tables_, if kTable
    uint16_t flags = 0;  // unless kTable or kHole
    Kind kind = Kind::kHole;
    friend bool operator==(const Entry&, const Entry&) = default;
  };
  struct PmdTable {
    FrameNumber frame = kNoFrame;
    EntryTable<Entry> entries;
  };
  // A 4K entry: EntryFlags and kMapped, or 0 for a hole.
  struct PteTable {
    FrameNumber frame = kNoFrame;
    EntryTable<uint16_t> entries;
  };
  static constexpr uint16_t kMapped = 1 << 14;  // unused by EntryFlags

  explicit DirectMap(uint64_t gibs) : gibs_(gibs) {}

  Entry& GibOf(FrameNumber frame) { return gibs_[frame.raw() / kFramesPer1G.raw()]; }
  static size_t PmdIndex(FrameNumber frame) { return frame.raw() / kFramesPer2M.raw() % 512; }
  static size_t PteIndex(FrameNumber frame) { return frame.raw() % 512; }

  // The table below, made from the uniform entry or the hole if there was none.
  PmdTable& PmdTableOf(Entry& gib);
  PteTable& PteTableOf(PmdTable& table, size_t index);
  uint32_t NewPmdTable();
  uint32_t NewPteTable();

  void MapBootGib(const MemoryMap& memory, uint64_t gib, const BootMappingRules& rules, EntryFlags flags);
  void MapBoot2M(const MemoryMap& memory, FrameNumber first, const BootMappingRules& rules, EntryFlags flags);
  void MapEntry(FrameNumber first, MapLevel level, EntryFlags flags);
  void MapUniform4K(FrameNumber first, MapLevel block, EntryFlags flags);
  void MapRun(const LeafRun& run);
  void Count(MapLevel level, uint64_t entries);
  absl::Status CheckCounts() const;
  absl::Status CheckTables() const;

  std::vector<Entry> gibs_;
  std::deque<PmdTable> pmd_tables_;
  std::deque<PteTable> pte_tables_;
  std::vector<uint32_t> free_pmd_tables_;
  std::vector<uint32_t> free_pte_tables_;
  LeafCounts counts_;
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_DIRECT_MAP_H_
