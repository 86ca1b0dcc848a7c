#include "worker/policy/global.h"

namespace dmfrag::policy {

using model::FrameNumber;
using model::Order;

GlobalCache::GlobalCache(model::Machine* machine, const CacheOptions& options)
    : GroupedCache("global", machine, options, [&] {
        Shape shape = {.takes_ordinary = true, .rules = RulesFrom(options), .make_idle = MakeRecentPages};
        shape.rules.pageblock_mark = kMark;
        shape.make_source = [=] { return MakeRefillSource(machine, options, SmallerOrders::kOnlyWanted); };
        return shape;
      }()) {
  if (options.prepopulate) Prepopulate();
}

// Free pages of 2M blocks that are mapped by 4K entries since boot (RFC, TODOs).
void GlobalCache::Prepopulate() {
  model::PageAllocator& allocator = machine().allocator();
  machine().direct_map().ForEachRun([&](const model::LeafRun& run) {
    if (run.level != model::MapLevel::k4K) return;
    for (FrameNumber page = run.first; page < run.first + run.frames; page = page + model::kFramesPer4K) {
      const model::FrameRange single{page, page + model::kFramesPer4K};
      if (!allocator.TakeFreeBlockIn(single, Order(0), model::Migratetype::kUnmovable).has_value()) continue;
      PagesOf({}, allocator.NodeOf(page)).Adopt(page, /*was_used=*/false);
    }
  });
}

}  // namespace dmfrag::policy
