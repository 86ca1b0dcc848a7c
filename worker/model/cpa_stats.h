#ifndef DMFRAG_WORKER_MODEL_CPA_STATS_H_
#define DMFRAG_WORKER_MODEL_CPA_STATS_H_

#include <cstdint>

namespace dmfrag::model {

// What CPA found when it met large pages: debugfs x86/cpa_stats of CONFIG_X86_CPA_STATISTICS, with its names. A plain
// value. Source: arch/x86/mm/pat/set_memory.c cpastats_show.
struct CpaStats {
  struct Level {
    uint64_t checked = 0;    // asked whether to split
    uint64_t sameprot = 0;   // kept: the attributes were the wanted ones
    uint64_t preserved = 0;  // kept: changed as a whole
    friend bool operator==(const Level&, const Level&) = default;
  };
  Level gib;                  // "1G pages"
  Level pmd;                  // "2M pages"
  uint64_t pages_4k_set = 0;  // "4K pages set-checked": 4K entries that were met, written or not
  friend bool operator==(const CpaStats&, const CpaStats&) = default;
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_CPA_STATS_H_
