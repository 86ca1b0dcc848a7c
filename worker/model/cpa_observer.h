#ifndef DMFRAG_WORKER_MODEL_CPA_OBSERVER_H_
#define DMFRAG_WORKER_MODEL_CPA_OBSERVER_H_

#include "worker/model/attribute_request.h"
#include "worker/model/entry_flags.h"
#include "worker/model/units.h"

namespace dmfrag::model {

// Sees what CPA does to the direct map, in order, as kprobes on a kernel do. Must change nothing.
class CpaObserver {
 public:
  virtual ~CpaObserver() = default;
  // A request on direct-map addresses begins, a caller's or an alias of one elsewhere.
  virtual void OnRequest(const AttributeRequest& request) = 0;
  // The `level` entry whose first frame is `first` was split, or put together.
  virtual void OnSplit(MapLevel level, FrameNumber first) = 0;
  virtual void OnCollapse(MapLevel level, FrameNumber first) = 0;
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_CPA_OBSERVER_H_
