#ifndef DMFRAG_WORKER_EXPERIMENT_RUN_CONFIG_H_
#define DMFRAG_WORKER_EXPERIMENT_RUN_CONFIG_H_

#include <cstdint>
#include <optional>

#include "worker/experiment/cost_account.h"
#include "worker/model/machine.h"
#include "worker/policy/registry.h"
#include "worker/workload/mix.h"

namespace dmfrag::experiment {

// How long a run simulates and when it samples.
struct RunLength {
  uint64_t duration_us = 60'000'000;        // measured, after the warm-up
  uint64_t warmup_us = 0;                   // before counters are reset
  uint64_t sample_interval_us = 1'000'000;  // 0: no samples
  uint64_t max_operations = 0;              // page operations, warm-up included; 0: no limit
};

// What the machine goes through before the run.
struct AgeingConfig {
  workload::MixConfig mix;  // of users that change no permission
  uint64_t duration_us = 0;
};

// Everything a run depends on.
struct RunConfig {
  model::MachineConfig machine;
  // Where the machine stands at the beginning; absent: it has just booted.
  std::optional<model::MachineStart> start = std::nullopt;
  std::optional<AgeingConfig> ageing = std::nullopt;  // after that
  policy::CacheConfig cache;
  workload::MixConfig mix;
  RunLength length;
  uint64_t seed = 1;
  std::optional<CostConfig> cost = std::nullopt;  // nullopt: no cost is predicted
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_RUN_CONFIG_H_
