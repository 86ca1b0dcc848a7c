#ifndef DMFRAG_WORKER_COST_OPERATION_COST_H_
#define DMFRAG_WORKER_COST_OPERATION_COST_H_

#include <cstdint>

#include "worker/cost/cpu_profile.h"
#include "worker/cost/range.h"
#include "worker/model/event_counters.h"

namespace dmfrag::cost {

// The processors that flushes reach. All flushes come from housekeeping processors. Immutable.
struct FlushTargets {
  uint32_t cpus = 1;      // online, the sender included
  uint32_t isolated = 0;  // of these, those that run undisturbed but for flushes; less than `cpus`
  // Share of the interrupts that are sent at all: a processor whose queue is not empty gets no second one. 1000 where
  // flushes come one at a time; with 4 and 8 processors that flush all the time 580 to 660 were measured (captures
  // flush-*, /proc/interrupts CAL over faults).
  Range interrupts_per_mille = kOneAtATime;
  // A flush of the calling processor alone drops its whole TLB, as under debug_pagealloc, where every mapping and
  // unmapping ends with one (__kernel_map_pages calls __flush_tlb_all). Otherwise it is the INVLPG of one page, of a
  // temporary mapping. The counter does not tell them apart: under debug_pagealloc those of temporary mappings are
  // taken for whole ones too, which is too dear.
  bool local_flushes_are_full = false;

  static constexpr Range kOneAtATime = Range::Exactly(1000);
  static constexpr Range kParallel = {580, 630, 660};
  // Nothing is known of the load: anything between the two.
  static constexpr Range kUnknown = {580, 1000, 1000};

  int64_t others() const { return static_cast<int64_t>(cpus) - 1; }
};

// What was done, counted.
struct Work {
  model::EventCounters events;
  int64_t pages_allocated = 0;   // blocks taken from the page allocator
  int64_t pages_freed = 0;       // blocks given back to it
  int64_t zone_locks = 0;        // times a zone's lock was taken
  int64_t zone_list_blocks = 0;  // blocks moved to or from a zone's lists under it
  int64_t pages_zeroed = 0;      // 4K pages
  int64_t pages_copied = 0;      // 4K pages, beside those that migrate
};

// Cycles. A plain value.
struct OperationCost {
  Range caller;     // spent by the processor that does the work, waiting for others included
  Range others;     // taken from the other processors
  Range zone_lock;  // of `caller`, those under the lock of a zone

  Range Total() const { return caller + others; }
  OperationCost& operator+=(const OperationCost& other);
  friend bool operator==(const OperationCost&, const OperationCost&) = default;
};

// One flush of every entry; one of `pages` single pages.
OperationCost FullFlushCost(const OperationCosts& costs, const FlushTargets& targets);
OperationCost RangeFlushCost(const OperationCosts& costs, const FlushTargets& targets, const Range& pages);

// The cost of `work`: each count times its constant, end by end. The counters do not say how many pages each range
// flush had: one at the low and typical ends, at the high end as many as entries were written, up to 33 each.
// Simplification: costs add up, nothing overlaps, and no lock is waited for.
OperationCost CostOf(const OperationCosts& costs, const FlushTargets& targets, const Work& work);

// Interrupts that isolated processors get for the flushes, none merged.
int64_t InterruptsOfIsolated(const FlushTargets& targets, const model::EventCounters& events);

}  // namespace dmfrag::cost

#endif  // DMFRAG_WORKER_COST_OPERATION_COST_H_
