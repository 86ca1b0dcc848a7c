#include "worker/cost/xpfo_study.h"

#include "worker/cost/operation_cost.h"

namespace dmfrag::cost {
namespace {

constexpr int64_t kPagesPerBatch = 63;  // of per-CPU lists, zones of 1 GiB and more

// Thousandths of cycles of system time, each part at an end of its own.
struct Ends {
  Bound local;
  Bound start;
  Bound per_cpu;
};

// Look-ups and entries of a round.
int64_t ChangeMillicycles(const OperationCosts& costs, Bound bound) {
  return 2000 * (costs.cpa_request.value.at(bound) + costs.entry_write.value.at(bound));
}

int64_t PageFlushMillicycles(const OperationCosts& costs, Bound bound) {
  return 1000 * costs.flush_page.value.at(bound);
}

// What one more processor adds to a flush.
int64_t PerCpuMillicycles(const OperationCosts& costs, Bound bound) {
  const int64_t handler =
      costs.ipi_handler.value.at(bound) * FlushTargets::kParallel.at(bound) + PageFlushMillicycles(costs, bound);
  return 1000 * costs.ipi_per_cpu.value.at(bound) + handler * kHandlersInSystemTimePerMille.at(bound) / 1000;
}

int64_t RoundMillicycles(const OperationCosts& costs, uint32_t cpus, Ends ends) {
  return ChangeMillicycles(costs, ends.local) + PageFlushMillicycles(costs, ends.local) +
         1000 * costs.ipi_start.value.at(ends.start) + PerCpuMillicycles(costs, ends.per_cpu) * (cpus - 1);
}

}  // namespace

XpfoRatios PredictXpfo(const OperationCosts& costs, uint32_t fitted_cpus, int64_t fitted_per_mille, uint32_t cpus) {
  const int64_t excess = fitted_per_mille - 1000;
  XpfoRatios ratios;
  for (Bound bound : kBounds) {
    const Bound opposite = Opposite(bound);
    const Ends all = {.local = opposite, .start = opposite, .per_cpu = bound};
    const int64_t fitted = RoundMillicycles(costs, fitted_cpus, all);
    ratios.flush_every_page.at(bound) = 1000 + MultiplyDivide(excess, RoundMillicycles(costs, cpus, all), fitted);

    const Ends own = {.local = bound, .start = opposite, .per_cpu = opposite};
    const int64_t fitted_own = RoundMillicycles(costs, fitted_cpus, own);
    const int64_t change = ChangeMillicycles(costs, bound);
    const int64_t flush = PageFlushMillicycles(costs, bound);
    ratios.flush_deferred.at(bound) = 1000 + MultiplyDivide(excess, change + flush, fitted_own);
    ratios.flush_batched.at(bound) = 1000 + MultiplyDivide(excess, change + flush / kPagesPerBatch, fitted_own);

    const Ends cheap = {.local = opposite, .start = opposite, .per_cpu = opposite};
    ratios.rounds_per_million_cycles.at(bound) =
        MultiplyDivide(excess, 1'000'000, RoundMillicycles(costs, fitted_cpus, cheap));
  }
  return ratios;
}

}  // namespace dmfrag::cost
