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
       "4b642ba8a627d7afebd1d623dab2e3bf359a95adeb984b7a4b6f85657a25bd81"},
      {"global on 16 GiB with 1G pages",
       R"pb(
         machine { memory_bytes: 17179869184 cpus: 96 }
         cache { global {} }
         workload { preset: "secretmem" }
         length { duration_us: 2000000 warmup_us: 300000 }
         seed: 18446744073709551615
       )pb",
       "52f81a5fe705e90a1bb0f0b64d00820523eabb57245632e03347856e8a63355e",
       "7c56c3cc22af68a04c20eefd1d3988a1abba8073fbc3c21c9bdf2d746482ce6b"},
      {"global with small refills on an odd e820 map without 1G pages, under memory pressure",
       R"pb(
         kernel { cpa_release: KERNEL_RELEASE_6_1 }
         machine {
           gbpages: false
           e820 { end_bytes: 654336 }
           e820 { start_bytes: 1048576 end_bytes: 402653184 }
           e820 { start_bytes: 402657280 end_bytes: 536866816 }
         }
         cache { global { options { refill_order: 5 shrink_below_free_per_mille: 200 } } }
         workload { preset: "secretmem" }
         length { duration_us: 20000000 max_operations: 400000 }
         seed: 7
       )pb",
       "fc5924cf83cf286c6d06409d048319086108c89b9c564af11cf3a1ec179f2338",
       "3813b87b90efbb2c070265158c2f5d29bd5947cee12e95b233eafcf9e03e5f76"},
  };
  return set;
}

}  // namespace dmfrag
