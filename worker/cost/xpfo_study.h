#ifndef DMFRAG_WORKER_COST_XPFO_STUDY_H_
#define DMFRAG_WORKER_COST_XPFO_STUDY_H_

#include <cstdint>

#include "worker/cost/cpu_profile.h"
#include "worker/cost/range.h"

namespace dmfrag::cost {

// The system time of a build of the kernel with XPFO, which takes every user page out of the direct map and flushes it
// from all processors, in thousandths of that without.
struct XpfoRatios {
  Range
      rounds_per_million_cycles;  // fitted: pages taken out and put back per million cycles of system time without XPFO
  Range flush_every_page;         // each is flushed from all processors at once
  Range flush_deferred;           // from its own processor at once, from others when they switch tasks
  Range flush_batched;            // the same, pages staying out in per-CPU lists: one flush per batch
};

// Fits the one unknown, how often the build takes a page out, on the measured ratio `fitted_per_mille` of a machine of
// `fitted_cpus`, and predicts a machine of `cpus` that does the same work. Ends of the ranges: what every processor
// adds is at its low end where what one flush costs at any rate is at its high end, and the other way round, since only
// their relation survives the fit; interrupts merge as measured (FlushTargets::kParallel). Simplifications: a round is
// two look-ups, two entries written and one flush of a page; flushes at a switch of tasks, sockets, locks and
// contention cost nothing. REQUIRES: fitted_cpus >= 2, cpus >= 2, fitted_per_mille >= 1000.
XpfoRatios PredictXpfo(const OperationCosts& costs, uint32_t fitted_cpus, int64_t fitted_per_mille, uint32_t cpus);

// Share of what other processors spend on a flush that is booked as system time, in thousandths. A guess: nobody else's
// if they run user programs (the tick sees no interrupt handler), everybody's if they wait for flushes of their own.
inline constexpr Range kHandlersInSystemTimePerMille = {0, 500, 1000};

}  // namespace dmfrag::cost

#endif  // DMFRAG_WORKER_COST_XPFO_STUDY_H_
