#ifndef DMFRAG_WORKER_WORKLOAD_CLOSED_FORM_H_
#define DMFRAG_WORKER_WORKLOAD_CLOSED_FORM_H_

#include "worker/workload/distribution.h"
#include "worker/workload/mix.h"
#include "worker/workload/sim_time.h"

// What a mix does in the long run, by formula: to check streams by, and to show people. Floating point and the C
// library's functions are used here alone; no result of a run depends on them.
namespace dmfrag::workload {

// Mean of the integers that Draw gives, rounding and caps included. Relative error below 1e-5. Infinite for a Pareto
// distribution with alpha <= 1 and no cap, but for the largest uint64_t, where draws stop.
double Mean(const Distribution& distribution);

// 4K pages that `user` of `mix` holds on average between 0 and `end`: objects that come in a unit of time, phases
// averaged, times mean life times mean size. As in the long run: what begins near 0 and outlives `end` is not taken
// off, so that `end` should be many mean lives.
double ExpectedLivePages(const UserConfig& user, const MixConfig& mix, SimTime end);

// P(X > value) of what Draw gives. Rounding is left out of lognormal and Pareto variables: an error of half a step, for
// times in microseconds. For values up to 2^53.
double Survival(const Distribution& distribution, double value);

// 4K pages that `user` of `mix` holds at `end` on average: everything came after 0. Relative error below 10^-3, as long
// as rates do not change within a small part of the time back from `end`.
double ExpectedLivePagesAt(const UserConfig& user, const MixConfig& mix, SimTime end);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_CLOSED_FORM_H_
