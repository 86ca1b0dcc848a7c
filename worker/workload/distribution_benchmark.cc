// Draws a second, by shape.

#include "benchmark/benchmark.h"
#include "worker/workload/distribution.h"

namespace dmfrag::workload {
namespace {

void Draws(benchmark::State& state, const Distribution& distribution) {
  Random random(1);
  uint64_t sum = 0;
  for (auto _ : state) sum += Draw(distribution, random);
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK_CAPTURE(Draws, uniform, Uniform{1, 64});
BENCHMARK_CAPTURE(Draws, exponential, Exponential{20000});
BENCHMARK_CAPTURE(Draws, lognormal, Lognormal::OfSigma(20000, 1200, ~uint64_t{0}));
BENCHMARK_CAPTURE(Draws, pareto, Pareto::OfAlpha(20000, 1500, ~uint64_t{0}));
BENCHMARK_CAPTURE(Draws, empirical_8_values, Empirical::Of({1, 2, 4, 8, 16, 32, 64, 128}, {9, 8, 7, 6, 5, 4, 3, 2}));

}  // namespace
}  // namespace dmfrag::workload

BENCHMARK_MAIN();
