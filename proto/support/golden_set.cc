#include "proto/support/golden_set.h"

namespace dmfrag {

const std::vector<GoldenJob>& GoldenSet() {
  static const auto& set = *new std::vector<GoldenJob>{
      {"none on 1 GiB",
       R"pb(
         machine { memory_bytes: 1073741824 }
         cache { none {} }
         workload { preset: "secretmem" }
         length { duration_us: 2000000 sample_interval_us: 500000 }
       )pb",
       "2a50ae8a5203a6383e0747e893eed25013cf1c5a312729d1ecbad0f32c5f5ead",
       "956872ee729924943c01aca9d864fcd78479356dfaf8d60da72b44a25dbdefcd"},
      {"global on 16 GiB with 1G pages",
       R"pb(
         machine { memory_bytes: 17179869184 cpus: 96 }
         cache { global {} }
         workload { preset: "secretmem" }
         length { duration_us: 2000000 warmup_us: 300000 }
         seed: 18446744073709551615
       )pb",
       "52f81a5fe705e90a1bb0f0b64d00820523eabb57245632e03347856e8a63355e",
       "604aeeac1776a5305ba3d52184571d7ada525a9e29714b008bc011db84056ad4"},
      {"global with small refills on an odd e820 map without 1G pages, under memory pressure",
       R"pb(
         kernel { cpa_release: KERNEL_RELEASE_6_1 }
         machine {
           gbpages: false
           e820 { end_bytes: 654336 }
           e820 { start_bytes: 1048576 end_bytes: 402653184 }
           e820 { start_bytes: 402657280 end_bytes: 536866816 }
         }
         cache { global { refill_order: 5 shrink_below_free_per_mille: 200 } }
         workload { preset: "secretmem" }
         length { duration_us: 20000000 max_operations: 400000 }
         seed: 7
       )pb",
       "fc5924cf83cf286c6d06409d048319086108c89b9c564af11cf3a1ec179f2338",
       "e84d1547fc18282885c4b4bb2cabe811c4bf1e428623eb14d530a0909287a9c0"},
  };
  return set;
}

}  // namespace dmfrag
