#include "worker/model/direct_map_counters.h"

namespace dmfrag::model {

DirectMapCounters DirectMapCounters::Of(const DirectMap& map) {
  const LeafCounts counts = map.counts();
  DirectMapCounters counters;
  counters.pages_4k = counts.pages_4k;
  counters.pages_2m = counts.pages_2m;
  counters.pages_1g = counts.pages_1g;
  return counters;
}

void DirectMapCounters::OnSplit(MapLevel level) {
  const bool is_1g = level == MapLevel::k1G;
  if (system_running) ++(is_1g ? level3_splits : level2_splits);
  uint64_t& from = is_1g ? pages_1g : pages_2m;
  if (from == 0) return;
  --from;
  (is_1g ? pages_2m : pages_4k) += 512;
}

void DirectMapCounters::OnCollapse(MapLevel level) {
  const bool is_1g = level == MapLevel::k1G;
  if (system_running) ++(is_1g ? level3_collapses : level2_collapses);
  ++(is_1g ? pages_1g : pages_2m);
  (is_1g ? pages_2m : pages_4k) -= 512;
}

}  // namespace dmfrag::model
