#include "worker/policy/block_source.h"

#include <algorithm>
#include <optional>

namespace dmfrag::policy {
namespace {

using model::FrameCount;
using model::FrameNumber;
using model::FrameRange;
using model::kFramesPer1G;
using model::kFramesPer2M;
using model::kPageblockOrder;
using model::Migratetype;
using model::Order;

FrameRange RangeOf(FrameNumber block, Order order) { return {block, block + order.frames()}; }

class RefillSource final : public BlockSource {
 public:
  RefillSource(model::Machine* machine, const CacheOptions& options, SmallerOrders smaller)
      : machine_(machine), options_(options), smaller_(smaller) {}

  std::vector<FrameRange> Take(Order wanted, Migratetype type) override {
    Order order = std::max(wanted, options_.refill_order);
    std::optional<FrameNumber> block = TakePlaced(order, type);
    if (!block.has_value()) block = machine_->allocator().Allocate(order, type);
    if (!block.has_value() && order > wanted) ++machine_->account().refills_failed;
    while (!block.has_value() && order > wanted && smaller_ != SmallerOrders::kNone) {
      order = smaller_ == SmallerOrders::kAll ? Order(order.raw() - 1) : wanted;
      block = machine_->allocator().Allocate(order, type);
    }
    if (!block.has_value()) return {};
    machine_->allocator().SplitAllocated(*block, order);
    return {RangeOf(*block, order)};
  }

 private:
  std::optional<FrameNumber> TakePlaced(Order order, Migratetype type) {
    switch (options_.placement) {
      case CacheOptions::Placement::kAny:
        return std::nullopt;
      case CacheOptions::Placement::kPreferSplitGib:
        return TakeInSplitGib(order, type);
      case CacheOptions::Placement::kBoundedRegion:
        return machine_->allocator().TakeFreeBlockIn(Region(), order, type);
    }
    return std::nullopt;
  }

  // The last one that had a block first, then the others from there upwards.
  std::optional<FrameNumber> TakeInSplitGib(Order order, Migratetype type) {
    const uint64_t gibs = machine_->direct_map().end().raw() / kFramesPer1G.raw();
    for (uint64_t i = 0; i < gibs; ++i) {
      const FrameNumber gib(((next_gib_ + i) % gibs) * kFramesPer1G.raw());
      const auto leaf = machine_->direct_map().Lookup(gib);
      if (leaf.has_value() && leaf->level == model::MapLevel::k1G) continue;
      if (const auto block = machine_->allocator().TakeFreeBlockIn({gib, gib + kFramesPer1G}, order, type)) {
        next_gib_ = gib.raw() / kFramesPer1G.raw();
        return block;
      }
    }
    return std::nullopt;
  }

  FrameRange Region() const {
    const FrameNumber end = machine_->direct_map().end();
    const FrameCount size(machine_->allocator().managed_frames().raw() / 1000 * options_.region_per_mille);
    return {FrameNumber(end.raw() - std::min(end.raw(), size.raw())).AlignedDown(kFramesPer2M), end};
  }

  model::Machine* machine_;
  CacheOptions options_;
  SmallerOrders smaller_;
  uint64_t next_gib_ = 0;
};

class PageblockSource final : public BlockSource {
 public:
  explicit PageblockSource(model::Machine* machine) : machine_(machine) {}

  std::vector<FrameRange> Take(Order order, Migratetype type) override {
    model::PageAllocator& allocator = machine_->allocator();
    const std::optional<FrameNumber> block = allocator.Allocate(order, type);
    if (!block.has_value()) return {};
    // Free pages on per-CPU lists are on no free list, and stay (move_freepages_block).
    const FrameNumber first = block->AlignedDown(kFramesPer2M);
    std::vector<FrameRange> taken = {RangeOf(*block, order)};
    for (FrameNumber frame = first; frame < first + kFramesPer2M;) {
      const model::PageAllocator::Block found = allocator.BlockOf(frame);
      if (found.state != model::FrameState::kFree) {
        frame = frame + FrameCount(1);
        continue;
      }
      const Order part = std::min(found.order, kPageblockOrder);
      if (allocator.Take(frame, part, type)) {
        allocator.SplitAllocated(frame, part);
        taken.push_back(RangeOf(frame, part));
      }
      frame = frame + part.frames();
    }
    allocator.SplitAllocated(*block, order);
    return taken;
  }

 private:
  model::Machine* machine_;
};

}  // namespace

std::unique_ptr<BlockSource> MakeRefillSource(model::Machine* machine, const CacheOptions& options,
                                              SmallerOrders smaller) {
  return std::make_unique<RefillSource>(machine, options, smaller);
}

std::unique_ptr<BlockSource> MakePageblockSource(model::Machine* machine) {
  return std::make_unique<PageblockSource>(machine);
}

}  // namespace dmfrag::policy
