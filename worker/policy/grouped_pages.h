#ifndef DMFRAG_WORKER_POLICY_GROUPED_PAGES_H_
#define DMFRAG_WORKER_POLICY_GROUPED_PAGES_H_

#include <deque>
#include <optional>

#include "worker/model/machine.h"
#include "worker/model/migratetype.h"
#include "worker/model/units.h"

namespace dmfrag::policy {

// Pages that come in blocks and are given out one by one: what every cache of single pages is made of. "These caches
// can share the implementation, but there will be different instances" (seed letter).
//
// The page that came in last is given out first. On a miss a block of the refill order is taken, or a single page if
// there is none; the first page goes to the caller, the others stay. Thread-compatible. Allocates no memory of the host
// per page. Events are charged to the machine's account.
class GroupedPages {
 public:
  struct Options {
    model::Order refill_order = model::kPageblockOrder;  // 0 to 9
    // Blocks are mapped with 4K entries when they come (set_memory_4k). Otherwise the first change of one page splits
    // its block, as ever.
    bool map_4k = true;
  };
  struct Taken {
    model::FrameNumber page;
    bool refilled = false;  // a block has come, of which `page` is the first
  };

  // Borrows `machine`. REQUIRES: options.refill_order <= kPageblockOrder.
  GroupedPages(model::Machine* machine, const Options& options);

  // nullopt: no memory, or none for the split; nothing has changed then.
  std::optional<Taken> Take(model::Migratetype type);
  void Put(model::FrameNumber page) { idle_.push_back(page); }
  // Frees those that have been idle longest, up to `at_most`; returns how many.
  model::FrameCount FreeOldest(model::FrameCount at_most);

  // In order of arrival.
  const std::deque<model::FrameNumber>& idle() const { return idle_; }

 private:
  std::optional<Taken> Refill(model::Migratetype type);

  model::Machine* machine_;
  Options options_;
  std::deque<model::FrameNumber> idle_;  // the back is taken first
};

}  // namespace dmfrag::policy

#endif  // DMFRAG_WORKER_POLICY_GROUPED_PAGES_H_
