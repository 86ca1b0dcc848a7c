#ifndef DMFRAG_WORKER_EXPERIMENT_BOOT_PREDICTION_H_
#define DMFRAG_WORKER_EXPERIMENT_BOOT_PREDICTION_H_

#include <string>

#include "worker/model/boot_machine.h"
#include "worker/workload/replay_input.h"

namespace dmfrag::experiment {

// The kernel's counters when the system came up.
struct BootPrediction {
  workload::KernelCounters counters;
  // What the prediction could not know; empty if nothing.
  std::string limitation;
};

// Predicts the counters of /proc/meminfo and /proc/vmstat at boot, with their offsets, from the machine alone. Counters
// that the kernel does not print are absent. See model::PredictBootMapping. Thread-safe.
BootPrediction PredictBoot(const model::BootMachine& machine);

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_BOOT_PREDICTION_H_
