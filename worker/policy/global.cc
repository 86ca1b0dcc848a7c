#include "worker/policy/global.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"

namespace dmfrag::policy {

using model::FrameCount;
using model::FrameNumber;

GlobalCache::GlobalCache(model::Machine* machine, const CacheOptions& options)
    : machine_(machine),
      pages_(machine, {.refill_order = options.refill_order, .map_4k = true}),
      shrink_below_(machine->allocator().managed_frames().raw() / 1000 * options.shrink_below_free_per_mille) {}

std::optional<FrameNumber> GlobalCache::Allocate(const PageRequest& request) {
  const std::optional<GroupedPages::Taken> taken = pages_.Take(request.type);
  if (!taken.has_value()) return std::nullopt;
  if (taken->refilled) machine_->allocator().SetPageblockMark(taken->page, kPteMapped);
  return taken->page;
}

void GlobalCache::Free(FrameNumber frame) {
  // Such a page's block is marked, since the cache gave it out; so its free is diverted like any other.
  pages_.Put(frame);
}

bool GlobalCache::DivertFree(FrameNumber frame) {
  if (!IsMarked(frame)) return false;
  pages_.Put(frame);
  ++machine_->account().diverted_pages;
  return true;
}

FrameCount GlobalCache::Shrink(FrameCount at_most) { return pages_.FreeOldest(at_most); }

absl::Status GlobalCache::CheckInvariants() const {
  std::vector<FrameNumber> sorted(pages_.idle().begin(), pages_.idle().end());
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    return absl::InternalError("cache global: a page is in the cache twice");
  }
  for (FrameNumber frame : sorted) {
    const std::optional<model::DirectMap::Leaf> leaf = machine_->direct_map().Lookup(frame);
    if (!IsMarked(frame) || !leaf.has_value() || leaf->level != model::MapLevel::k4K ||
        !leaf->flags.Has(model::EntryFlags::kPresent) || !leaf->flags.Has(model::EntryFlags::kWritable)) {
      return absl::InternalError(
          absl::StrCat("cache global: idle frame ", frame.raw(), " is not marked, or not mapped RW with 4K entries"));
    }
  }
  return absl::OkStatus();
}

}  // namespace dmfrag::policy
