#ifndef DMFRAG_WORKER_MODEL_TLB_FLUSHES_H_
#define DMFRAG_WORKER_MODEL_TLB_FLUSHES_H_

#include <cstdint>

#include "worker/model/event_counters.h"
#include "worker/model/units.h"

namespace dmfrag::model {

// Counts flushes of kernel addresses, which go to every processor. Source: arch/x86/mm/tlb.c; that each costs one
// interrupt per other processor, seen in /proc/interrupts CAL, is measured. Interrupts of parallel flushes are not
// merged here. Page-table isolation changes neither: kernel entries are not global then, and a flush of single pages
// also marks the processor's other address spaces stale, which sends no further interrupt (no capture with PTI counted
// flushes). Immutable.
class TlbFlushes {
 public:
  // tlb_single_page_flush_ceiling: a range of more pages becomes a full flush.
  static constexpr FrameCount kSinglePageCeiling{33};

  // REQUIRES: cpus >= 1.
  explicit TlbFlushes(uint32_t cpus) : other_cpus_(static_cast<int64_t>(cpus) - 1) {}

  // flush_tlb_all.
  void FlushAll(EventCounters& account) const {
    ++account.flushes_all;
    account.flush_ipis += other_cpus_;
  }

  // A single page on the calling processor alone: nobody is interrupted.
  static void FlushLocal(EventCounters& account) { ++account.local_flushes; }

  // flush_tlb_kernel_range, and the end of a set_memory_* call, over `pages`.
  void FlushRange(FrameCount pages, EventCounters& account) const {
    if (pages > kSinglePageCeiling) return FlushAll(account);
    ++account.flushes_range;
    account.flush_ipis += other_cpus_;
  }

 private:
  int64_t other_cpus_;
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_TLB_FLUSHES_H_
