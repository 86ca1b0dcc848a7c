#include "worker/policy/freetype.h"

namespace dmfrag::policy {
namespace {

// Whole blocks or nothing.
CacheOptions OfWholeBlocks(CacheOptions options) {
  options.refill_order = model::kPageblockOrder;
  options.free_path = CacheOptions::FreePath::kDivert;
  return options;
}

}  // namespace

FreetypeCache::FreetypeCache(model::Machine* machine, const CacheOptions& options)
    : GroupedCache("freetype", machine, OfWholeBlocks(options), [&] {
        Shape shape = {
            .max_order = model::kPageblockOrder,
            .checks_cost = false,
            .has_shrinker = false,
            .rules = RulesFrom(options),
            .make_idle = MakeBuddyPages,
            .make_source = [=] { return MakeRefillSource(machine, OfWholeBlocks(options), SmallerOrders::kNone); }};
        shape.rules.entry = CacheOptions::Entry::kNotPresent2M;
        shape.rules.restore = CacheOptions::Restore::kCollapse;
        shape.rules.idle_blocks_kept = 0;
        shape.rules.zeroes_on_return = true;
        return shape;
      }()) {}

}  // namespace dmfrag::policy
