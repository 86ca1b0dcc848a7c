#include "worker/model/virtual_map.h"

#include "third_party/abseil_extras/check.h"

namespace dmfrag::model {

void VirtualMap::Map4K(VirtualPage page, FrameNumber frame, EntryFlags flags) {
  Block& block = BlockOf(page);
  DCHECK(!block.large.mapped);
  if (block.table == nullptr) block.table = std::make_unique<Table>();
  block.table->pages[Index(page)] = {frame, flags, true};
}

void VirtualMap::Map2M(VirtualPage first, FrameNumber frame, EntryFlags flags) {
  DCHECK(first.IsAligned(kFramesPer2M) && frame.IsAligned(kFramesPer2M));
  Block& block = BlockOf(first);
  DCHECK(!block.large.mapped && block.table == nullptr);
  block.large = {frame, flags, true};
}

void VirtualMap::Unmap(VirtualRange range) {
  for (auto it = blocks_.lower_bound(range.first.AlignedDown(kFramesPer2M));
       it != blocks_.end() && it->first < range.end;) {
    bool empty = true;
    if (it->second.table != nullptr) {
      for (size_t i = 0; i < it->second.table->pages.size(); ++i) {
        Page& page = it->second.table->pages[i];
        if (range.Contains(it->first + FrameCount(i))) page = {};
        empty = empty && !page.mapped;
      }
    } else {
      DCHECK(range.first <= it->first && it->first + kFramesPer2M <= range.end);
    }
    it = empty ? blocks_.erase(it) : std::next(it);
  }
}

std::optional<VirtualMap::Leaf> VirtualMap::Lookup(VirtualPage page) const {
  const VirtualPage first = page.AlignedDown(kFramesPer2M);
  const auto found = blocks_.find(first);
  if (found == blocks_.end()) return std::nullopt;
  const Block& block = found->second;
  if (block.large.mapped) return Leaf{MapLevel::k2M, first, block.large.frame, block.large.flags};
  const Page& entry = block.table->pages[Index(page)];
  if (!entry.mapped) return std::nullopt;
  return Leaf{MapLevel::k4K, page, entry.frame, entry.flags};
}

void VirtualMap::SetFlags(VirtualPage page, EntryFlags flags) {
  Block& block = BlockOf(page);
  (block.large.mapped ? block.large : block.table->pages[Index(page)]).flags = flags;
}

void VirtualMap::Split(VirtualPage page, EntryFlags flags, FrameNumber table) {
  Block& block = BlockOf(page);
  CHECK(block.large.mapped);
  block.table = std::make_unique<Table>();
  block.table->frame = table;
  for (size_t i = 0; i < block.table->pages.size(); ++i) {
    block.table->pages[i] = {block.large.frame + FrameCount(i), flags, true};
  }
  block.large = {};
}

std::optional<EntryFlags> VirtualMap::UniformFlags(VirtualPage page) const {
  const auto found = blocks_.find(page.AlignedDown(kFramesPer2M));
  if (found == blocks_.end() || found->second.table == nullptr) return std::nullopt;
  const auto& pages = found->second.table->pages;
  if (!pages[0].frame.IsAligned(kFramesPer2M)) return std::nullopt;
  for (size_t i = 0; i < pages.size(); ++i) {
    if (pages[i] != Page{pages[0].frame + FrameCount(i), pages[0].flags, true}) return std::nullopt;
  }
  return pages[0].flags;
}

FrameNumber VirtualMap::Collapse(VirtualPage page) {
  CHECK(UniformFlags(page).has_value());
  Block& block = BlockOf(page);
  const FrameNumber table = block.table->frame;
  block.large = block.table->pages[0];
  block.table.reset();
  return table;
}

}  // namespace dmfrag::model
