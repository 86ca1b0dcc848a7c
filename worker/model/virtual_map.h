#ifndef DMFRAG_WORKER_MODEL_VIRTUAL_MAP_H_
#define DMFRAG_WORKER_MODEL_VIRTUAL_MAP_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "worker/model/entry_flags.h"
#include "worker/model/units.h"

namespace dmfrag::model {

// A mapping of kernel virtual addresses beside the direct map: which frame each page shows, by entries of 4K or 2M. The
// memory it shows is mapped by the direct map as well, which is then its alias. Like DirectMap it holds state alone;
// which change is made is decided by AttributeChanger.
//
// Thread-compatible. Every operation takes logarithmic time unless it says otherwise.
class VirtualMap {
 public:
  enum class Kind {
    kVmalloc,      // vmalloc and module area: its splits are counted nowhere
    kKernelImage,  // text, data and bss: its splits are counted as if it were the direct map
  };
  // The entry that maps a page. `first` is the first page it maps, `frame` the frame that page shows.
  struct Leaf {
    MapLevel level = MapLevel::k4K;
    VirtualPage first;
    FrameNumber frame;
    EntryFlags flags;
  };

  // Frame of a page table that was made with the mapping, whose place is not known.
  static constexpr FrameNumber kNoFrame{~uint64_t{0}};

  explicit VirtualMap(Kind kind) : kind_(kind) {}
  Kind kind() const { return kind_; }

  // Maps one page. REQUIRES: it is not mapped.
  void Map4K(VirtualPage page, FrameNumber frame, EntryFlags flags);
  // Maps 512 pages by one entry. REQUIRES: both numbers are 2M aligned; nothing is mapped there.
  void Map2M(VirtualPage first, FrameNumber frame, EntryFlags flags);
  // Unmaps every page of the range, mapped or not. REQUIRES: no 2M entry lies partly in it.
  void Unmap(VirtualRange range);

  // The entry of a page; nullopt in a hole.
  std::optional<Leaf> Lookup(VirtualPage page) const;
  // Rewrites the flags of the entry that maps `page`. REQUIRES: Lookup(page) has a value.
  void SetFlags(VirtualPage page, EntryFlags flags);
  // Splits the 2M entry that maps `page` into 512 with `flags`, held in the page table `table`. REQUIRES: it is one.
  void Split(VirtualPage page, EntryFlags flags, FrameNumber table);
  // If the 512 pages of the 2M block around `page` are mapped by 4K entries with the same flags, to consecutive frames
  // from a 2M aligned one on: those flags. Takes up to 512 steps.
  std::optional<EntryFlags> UniformFlags(VirtualPage page) const;
  // Replaces those 512 entries by one, and returns the frame of the page table that is no longer used; kNoFrame if no
  // split took it. REQUIRES: UniformFlags(page) has a value.
  FrameNumber Collapse(VirtualPage page);

 private:
  struct Page {
    FrameNumber frame;
    EntryFlags flags;
    bool mapped = false;
    friend bool operator==(const Page&, const Page&) = default;
  };
  struct Table {
    FrameNumber frame = kNoFrame;
    std::array<Page, 512> pages;
  };
  // 2M of addresses: one entry, or a table.
  struct Block {
    Page large;
    std::unique_ptr<Table> table;
  };

  Block& BlockOf(VirtualPage page) { return blocks_[page.AlignedDown(kFramesPer2M)]; }
  static size_t Index(VirtualPage page) { return page.raw() % 512; }

  Kind kind_;
  std::map<VirtualPage, Block> blocks_;
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_VIRTUAL_MAP_H_
