#include "worker/experiment/boot_prediction.h"

#include <cstdint>

#include "worker/model/boot_mapping.h"
#include "worker/model/early_code.h"
#include "worker/model/kernel_release.h"

namespace dmfrag::experiment {

BootPrediction PredictBoot(const model::BootMachine& machine) {
  const model::DirectMapCounters boot = model::PredictBootMapping(machine).counters;
  BootPrediction prediction;
  prediction.counters.direct_map_4k_kib = static_cast<int64_t>(boot.kib_4k());
  prediction.counters.direct_map_2m_kib = static_cast<int64_t>(boot.kib_2m());
  if (machine.rules.gbpages) prediction.counters.direct_map_1g_kib = static_cast<int64_t>(boot.kib_1g());
  prediction.counters.level2_splits = static_cast<int64_t>(boot.level2_splits);
  prediction.counters.level3_splits = static_cast<int64_t>(boot.level3_splits);
  if (machine.release >= model::KernelRelease::k6_16) {
    prediction.counters.level2_collapses = static_cast<int64_t>(boot.level2_collapses);
    prediction.counters.level3_collapses = static_cast<int64_t>(boot.level3_collapses);
  }
  prediction.limitation = model::EarlyCodeLimitation(machine);
  return prediction;
}

}  // namespace dmfrag::experiment
