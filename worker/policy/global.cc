#include "worker/policy/global.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/check.h"

namespace dmfrag::policy {

using model::CpaOutcome;
using model::FrameCount;
using model::FrameNumber;
using model::Order;

GlobalCache::GlobalCache(model::Machine* machine, const GlobalCacheOptions& options)
    : machine_(machine),
      options_(options),
      shrink_below_(machine->allocator().managed_frames().raw() / 1000 * options.shrink_below_free_per_mille) {
  CHECK(options.refill_order <= model::kPageblockOrder);
}

std::optional<FrameNumber> GlobalCache::Allocate(const PageRequest& request) {
  if (idle_.empty()) return Refill(request);
  const FrameNumber frame = idle_.back();
  idle_.pop_back();
  return frame;
}

std::optional<FrameNumber> GlobalCache::Refill(const PageRequest& request) {
  ++machine_->account().refills;
  model::PageAllocator& allocator = machine_->allocator();
  Order order = options_.refill_order;
  std::optional<FrameNumber> block = allocator.Allocate(order, request.type);
  if (!block.has_value() && order > Order(0)) {
    ++machine_->account().refills_failed;
    order = Order(0);
    block = allocator.Allocate(order, request.type);
  }
  if (!block.has_value()) return std::nullopt;
  if (machine_->SetMemory4K({*block, *block + order.frames()}) != CpaOutcome::kDone) {
    allocator.Free(*block, order);
    return std::nullopt;
  }
  allocator.SplitAllocated(*block, order);
  allocator.SetPageblockMark(*block, kPteMapped);
  for (FrameCount i(1); i < order.frames(); i += FrameCount(1)) idle_.push_back(*block + i);
  return block;
}

void GlobalCache::Free(FrameNumber frame) {
  // Such a page's block is marked, since the cache gave it out; so its free is diverted like any other.
  idle_.push_back(frame);
}

bool GlobalCache::DivertFree(FrameNumber frame) {
  if (!IsMarked(frame)) return false;
  idle_.push_back(frame);
  ++machine_->account().diverted_pages;
  return true;
}

FrameCount GlobalCache::Shrink(FrameCount at_most) {
  FrameCount given;
  while (given < at_most && !idle_.empty()) {
    machine_->allocator().Free(idle_.front(), Order(0));
    idle_.pop_front();
    given += FrameCount(1);
  }
  machine_->account().shrunk_pages += static_cast<int64_t>(given.raw());
  return given;
}

absl::Status GlobalCache::CheckInvariants() const {
  std::vector<FrameNumber> sorted(idle_.begin(), idle_.end());
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
