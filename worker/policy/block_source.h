#ifndef DMFRAG_WORKER_POLICY_BLOCK_SOURCE_H_
#define DMFRAG_WORKER_POLICY_BLOCK_SOURCE_H_

#include <memory>
#include <vector>

#include "worker/model/machine.h"
#include "worker/model/migratetype.h"
#include "worker/model/units.h"
#include "worker/policy/cache_options.h"

namespace dmfrag::policy {

// Where a cache gets its pages from: what differs between proposals is how much is taken at once, and from where.
// Thread-compatible.
class BlockSource {
 public:
  virtual ~BlockSource() = default;
  // Takes pages from the page allocator, as single pages (split_page), that hold an aligned block of `order` at least:
  // that block first. Empty: no memory.
  virtual std::vector<model::FrameRange> Take(model::Order order, model::Migratetype type) = 0;
};

// Which blocks are taken where there is none of the refill order.
enum class SmallerOrders {
  kAll,         // 8, 7, ... down to what is asked for: unmapped_alloc
  kOnlyWanted,  // what is asked for: get_grouped_page
  kNone,        // none: freetypes
};
// One block of the refill order, or a smaller one; where `options.placement` wants it, if it can be had there. A refill
// that got less than its order is counted as failed.
std::unique_ptr<BlockSource> MakeRefillSource(model::Machine* machine, const CacheOptions& options,
                                              SmallerOrders smaller);

// The pageblock of the page that an ordinary request of this order gets, with all its free pages (MIGRATE_UNMAPPED).
std::unique_ptr<BlockSource> MakePageblockSource(model::Machine* machine);

}  // namespace dmfrag::policy

#endif  // DMFRAG_WORKER_POLICY_BLOCK_SOURCE_H_
