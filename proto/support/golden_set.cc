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
       "9f18258164d3750e1c3be9103efbcc49a5b6bcc7aee6d14e75f9d2b58be69567"},
      {"global on 16 GiB with 1G pages",
       R"pb(
         machine { memory_bytes: 17179869184 cpus: 96 }
         cache { global {} }
         workload { preset: "secretmem" }
         length { duration_us: 2000000 warmup_us: 300000 }
         seed: 18446744073709551615
       )pb",
       "52f81a5fe705e90a1bb0f0b64d00820523eabb57245632e03347856e8a63355e",
       "3f10091953e610ac8464a10adafccf90f22848299de0ed314dd404c565e5fdfe"},
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
       "2c6cc3856c9694ae36705baf402cb4ae8b845fe0ad121c53be5a8e5b94bbda58",
       "bd38dca7552cb3c52c69d5cdd69b4da260853f1dbe7c7317a6e28ca6d4527d79"},
  };
  return set;
}

}  // namespace dmfrag
