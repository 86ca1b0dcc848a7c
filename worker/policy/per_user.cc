#include "worker/policy/per_user.h"

namespace dmfrag::policy {

PerUserCache::PerUserCache(model::Machine* machine, const CacheOptions& options)
    : GroupedCache("per_user", machine, options,
                   {.by_user = true, .rules = RulesFrom(options), .make_idle = MakeRecentPages, .make_source = [=] {
                      return MakeRefillSource(machine, options, SmallerOrders::kOnlyWanted);
                    }}) {}

}  // namespace dmfrag::policy
