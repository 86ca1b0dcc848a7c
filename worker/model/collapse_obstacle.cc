#include "worker/model/collapse_obstacle.h"

#include <optional>

#include "worker/model/entry_flags.h"

namespace dmfrag::model {

CollapseObstacle ObstacleToCollapse(const DirectMap& map, FrameNumber frame) {
  const FrameNumber first = frame.AlignedDown(kFramesPer2M);
  // Bits that every entry has, and bits that some have.
  uint16_t all = 0xffff;
  uint16_t some = 0;
  const uint64_t entries = map.UniformFlags(first, MapLevel::k2M).has_value() ? 1 : kFramesPer2M.raw();
  for (uint64_t i = 0; i < entries; ++i) {
    const std::optional<DirectMap::Leaf> leaf = map.Lookup(first + FrameCount(i));
    if (!leaf.has_value()) return CollapseObstacle::kHole;
    if (leaf->level != MapLevel::k4K) return CollapseObstacle::kAlreadyLarge;
    all &= leaf->flags.raw();
    some |= leaf->flags.raw();
  }
  if ((all & EntryFlags::kPresent) == 0) return CollapseObstacle::kNotPresent;
  if ((some & EntryFlags::kKernel4K) != 0) return CollapseObstacle::kKernel4K;
  if (all == some) return CollapseObstacle::kNone;
  const EntryFlags differ(static_cast<uint16_t>(all ^ some));
  if (!differ.Without(EntryFlags(EntryFlags::kGlobal | EntryFlags::kDirty)).empty()) return CollapseObstacle::kUnequal;
  return differ.Has(EntryFlags::kDirty) ? CollapseObstacle::kDirty : CollapseObstacle::kGlobal;
}

}  // namespace dmfrag::model
