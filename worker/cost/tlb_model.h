#ifndef DMFRAG_WORKER_COST_TLB_MODEL_H_
#define DMFRAG_WORKER_COST_TLB_MODEL_H_

#include <cstdint>

#include "worker/cost/cpu_profile.h"
#include "worker/cost/range.h"

namespace dmfrag::cost {

// Bytes of the direct map by the size of the pages that map them.
struct PageSizeMix {
  int64_t bytes_4k = 0;
  int64_t bytes_2m = 0;
  int64_t bytes_1g = 0;
  int64_t TotalBytes() const { return bytes_4k + bytes_2m + bytes_1g; }
};

// Memory that is in use, and how often the program changes to another 4K page of it.
struct WorkingSet {
  Range bytes;
  Range visits_per_million_cycles;
};

// What a processor touches. The kernel's two sets lie in the direct map, single 4K pages scattered evenly over all of
// it: `kernel_hot` is a fixed set, `kernel_cold` grows with the machine. User memory has page tables of its own.
struct WorkingSets {
  WorkingSet kernel_hot = {};
  WorkingSet kernel_cold = {};
  WorkingSet user_4k = {};  // mapped with 4K pages
  WorkingSet user_2m = {};  // mapped with transparent huge pages

  // A server of `memory_bytes` under load; every figure is a guess, made so that 4K and 1G pages differ by about a
  // percent (domain 6.1). The cold set is 1/512, 1/256 and 1/128 of memory.
  static WorkingSets Guess(int64_t memory_bytes);
};

// Predicted share of the processor's cycles that address translation takes, misses of the first level of the TLB and
// page walks, in millionths of the cycles everything else takes.
//
// Each array of the TLB is a cache of capacity C under independent references: class i has n_i pages, visited evenly at
// rate r_i in all. Its hit rate is r_i T / (n_i + r_i T), T being the characteristic time at which the arrays'
// occupancy sum_i n_i r_i T / (n_i + r_i T) equals C. That is Che's approximation in the form for random or
// first-in-first-out replacement (E. Gelenbe 1973; V. Martina, M. Garetto, E. Leonardi 2014, "A unified approach to the
// performance analysis of caching systems"): capacity is shared by who visits, and it is rational, so that integers do;
// the form for LRU needs an exponential. A miss of the second level walks; the walk's last entry comes from a cache, by
// how much of the touched page tables' lines fits there, and upper levels are cached. Simplifications: no
// associativity, no prefetch, one size class of pages per set; a page of a size that an array does not hold never hits
// there; a size that two arrays hold is divided between them evenly; the second level sees all visits, and holds what
// the first one does. The low end takes every input at its low end (caches at the high one), and so on; then the three
// are put in order. Deterministic: integers alone. REQUIRES: mix.TotalBytes() > 0.
Range TranslationOverheadPpm(const CpuProfile& profile, const PageSizeMix& mix, const WorkingSets& sets);

}  // namespace dmfrag::cost

#endif  // DMFRAG_WORKER_COST_TLB_MODEL_H_
