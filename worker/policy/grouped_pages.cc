#include "worker/policy/grouped_pages.h"

#include "third_party/abseil_extras/check.h"

namespace dmfrag::policy {

using model::CpaOutcome;
using model::FrameCount;
using model::FrameNumber;
using model::Order;

GroupedPages::GroupedPages(model::Machine* machine, const Options& options) : machine_(machine), options_(options) {
  CHECK(options.refill_order <= model::kPageblockOrder);
}

std::optional<GroupedPages::Taken> GroupedPages::Take(model::Migratetype type) {
  if (idle_.empty()) return Refill(type);
  const FrameNumber page = idle_.back();
  idle_.pop_back();
  return Taken{page};
}

std::optional<GroupedPages::Taken> GroupedPages::Refill(model::Migratetype type) {
  ++machine_->account().refills;
  model::PageAllocator& allocator = machine_->allocator();
  Order order = options_.refill_order;
  std::optional<FrameNumber> block = allocator.Allocate(order, type);
  if (!block.has_value() && order > Order(0)) {
    ++machine_->account().refills_failed;
    order = Order(0);
    block = allocator.Allocate(order, type);
  }
  if (!block.has_value()) return std::nullopt;
  if (options_.map_4k && machine_->SetMemory4K({*block, *block + order.frames()}) != CpaOutcome::kDone) {
    allocator.Free(*block, order);
    return std::nullopt;
  }
  allocator.SplitAllocated(*block, order);
  for (FrameCount i(1); i < order.frames(); i += FrameCount(1)) idle_.push_back(*block + i);
  return Taken{*block, /*refilled=*/true};
}

FrameCount GroupedPages::FreeOldest(FrameCount at_most) {
  FrameCount given;
  while (given < at_most && !idle_.empty()) {
    machine_->allocator().Free(idle_.front(), Order(0));
    idle_.pop_front();
    given += FrameCount(1);
  }
  machine_->account().shrunk_pages += static_cast<int64_t>(given.raw());
  return given;
}

}  // namespace dmfrag::policy
