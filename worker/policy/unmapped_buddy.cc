#include "worker/policy/unmapped_buddy.h"

namespace dmfrag::policy {

UnmappedBuddyCache::UnmappedBuddyCache(model::Machine* machine, const CacheOptions& options)
    : GroupedCache("unmapped_buddy", machine, options,
                   {.max_order = model::kPageblockOrder,
                    .rules = RulesFrom(options),
                    .make_idle = MakeBuddyPages,
                    .make_source = [=] { return MakeRefillSource(machine, options, SmallerOrders::kAll); }}) {}

}  // namespace dmfrag::policy
