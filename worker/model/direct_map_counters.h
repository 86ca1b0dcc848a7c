#ifndef DMFRAG_WORKER_MODEL_DIRECT_MAP_COUNTERS_H_
#define DMFRAG_WORKER_MODEL_DIRECT_MAP_COUNTERS_H_

#include <cstdint>

#include "worker/model/direct_map.h"
#include "worker/model/entry_flags.h"

namespace dmfrag::model {

// The kernel's own counters of the direct map: direct_map_pages_count of arch/x86/mm/pat/set_memory.c, printed in
// /proc/meminfo as DirectMap4k, DirectMap2M, DirectMap1G, and direct_map_level*_{splits,collapses} of /proc/vmstat.
//
// They are kept apart from the map itself because the kernel's are: they start with offsets of boot, and a split of a
// level whose count is 0 leaves the counts alone. A plain value.
struct DirectMapCounters {
  uint64_t pages_4k = 0;
  uint64_t pages_2m = 0;
  uint64_t pages_1g = 0;
  uint64_t level2_splits = 0;
  uint64_t level3_splits = 0;
  uint64_t level2_collapses = 0;
  uint64_t level3_collapses = 0;

  // False until SYSTEM_RUNNING: what is split during boot changes the lines of meminfo, and is not counted in vmstat.
  bool system_running = true;

  // Counts of a map that has just been built.
  static DirectMapCounters Of(const DirectMap& map);

  // An entry of `level` was split. Source: split_page_count.
  void OnSplit(MapLevel level);
  // 512 entries were put together to one of `level`. Source: collapse_page_count (6.15).
  void OnCollapse(MapLevel level);

  uint64_t kib_4k() const { return pages_4k << 2; }
  uint64_t kib_2m() const { return pages_2m << 11; }
  uint64_t kib_1g() const { return pages_1g << 20; }
  friend bool operator==(const DirectMapCounters&, const DirectMapCounters&) = default;
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_DIRECT_MAP_COUNTERS_H_
