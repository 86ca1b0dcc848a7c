#ifndef DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_OWN_TABLES_H_
#define DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_OWN_TABLES_H_

#include <cstdint>

#include "worker/model/units.h"

namespace dmfrag::experiment {

// Page tables of splits of 2M pages, and those that lie in the very block they split: such a block cannot be joined
// again before its table is moved.
struct OwnTableCounts {
  uint64_t tables = 0;
  uint64_t own = 0;

  // The 2M page at `first` was split with this table.
  void Add(model::FrameNumber first, model::FrameNumber table) {
    ++tables;
    if (table.AlignedDown(model::kFramesPer2M) == first.AlignedDown(model::kFramesPer2M)) ++own;
  }
  OwnTableCounts& operator+=(const OwnTableCounts& other) {
    tables += other.tables;
    own += other.own;
    return *this;
  }
  // Of all tables, 0 to 1; 0 without any.
  double Share() const { return tables == 0 ? 0 : static_cast<double>(own) / static_cast<double>(tables); }
  friend bool operator==(const OwnTableCounts&, const OwnTableCounts&) = default;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_OWN_TABLES_H_
