#ifndef DMFRAG_WORKER_MODEL_COALESCE_OBSERVER_H_
#define DMFRAG_WORKER_MODEL_COALESCE_OBSERVER_H_

#include "worker/model/units.h"

namespace dmfrag::model {

// Is told of free memory that has come together to whole pageblocks: where a large page could be restored.
//
// Source: __free_one_page, in which a proof of concept of 2020 to 2022 tried it (letter that started this project; no
// kernel has the hook). It is called with the zone's lock held and interrupts off, so that it may neither allocate nor
// free pages, nor flush other processors' TLBs: what needs that is to be put off until the call that freed is over.
class CoalesceObserver {
 public:
  virtual ~CoalesceObserver() = default;

  // The block of `order`, a pageblock's at least, from frame `first` on lies on a free list now. Once per block that a
  // free or a drain of per-CPU lists puts there, after all merging: halves that lay there before are told of again.
  virtual void OnCoalesced(FrameNumber first, Order order) = 0;
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_COALESCE_OBSERVER_H_
