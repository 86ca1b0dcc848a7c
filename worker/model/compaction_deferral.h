#ifndef DMFRAG_WORKER_MODEL_COMPACTION_DEFERRAL_H_
#define DMFRAG_WORKER_MODEL_COMPACTION_DEFERRAL_H_

#include <algorithm>
#include <cstdint>

#include "worker/model/units.h"

namespace dmfrag::model {

// Whether compaction of a zone is worth another try: after each failure it is put off for twice as many requests, up to
// 64, for the order that failed and larger ones.
//
// Source: mm/compaction.c defer_compaction, compaction_deferred, compaction_defer_reset (6.12). Thread-compatible;
// constant time.
class CompactionDeferral {
 public:
  static constexpr unsigned kMaxShift = 6;  // COMPACT_MAX_DEFER_SHIFT
  // The last of so many requests after a failure tries again, at the latest.
  static constexpr unsigned kMostRequests = 1u << kMaxShift;

  // Counts a request that would compact; true: it must not.
  bool IsDeferred(Order order) {
    if (order.raw() < order_failed_) return false;
    const unsigned limit = 1u << shift_;
    considered_ = std::min(considered_ + 1, limit);
    return considered_ < limit;
  }

  // Compaction went through the whole zone and made no block of `order`.
  void Failed(Order order) {
    considered_ = 0;
    shift_ = std::min(shift_ + 1, kMaxShift);
    order_failed_ = std::min(order_failed_, order.raw());
  }

  // It made one; with `allocated`, an allocation then got it.
  void Succeeded(Order order, bool allocated) {
    if (allocated) considered_ = shift_ = 0;
    order_failed_ = std::max(order_failed_, order.raw() + 1);
  }

 private:
  unsigned considered_ = 0;    // requests since the last failure
  unsigned shift_ = 0;         // failures in a row
  unsigned order_failed_ = 0;  // smaller orders are not put off
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_COMPACTION_DEFERRAL_H_
