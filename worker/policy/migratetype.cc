#include "worker/policy/migratetype.h"

namespace dmfrag::policy {
namespace {

CacheOptions Divert(CacheOptions options) {
  options.free_path = CacheOptions::FreePath::kDivert;
  return options;
}

}  // namespace

MigratetypeCache::MigratetypeCache(model::Machine* machine, const CacheOptions& options)
    : GroupedCache("migratetype", machine, Divert(options), [&] {
        Shape shape = {.max_order = model::kPageblockOrder,
                       .takes_ordinary = true,
                       .checks_cost = false,
                       .has_shrinker = false,
                       .rules = RulesFrom(options),
                       .make_idle = MakeBuddyPages,
                       .make_source = [=] { return MakePageblockSource(machine); }};
        shape.rules.entry = CacheOptions::Entry::kRw4K;
        shape.rules.pageblock_mark = kMark;
        shape.rules.idle_blocks_kept = 0;
        // A whole block is what the buddy allocator coalesces: both are the same on lists of its own.
        if (options.restore == CacheOptions::Restore::kOnCoalesce)
          shape.rules.restore = CacheOptions::Restore::kCollapse;
        return shape;
      }()) {}

}  // namespace dmfrag::policy
