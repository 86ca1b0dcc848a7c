#ifndef DMFRAG_WORKER_MODEL_ATTRIBUTE_REQUEST_H_
#define DMFRAG_WORKER_MODEL_ATTRIBUTE_REQUEST_H_

#include "worker/model/entry_flags.h"
#include "worker/model/units.h"

namespace dmfrag::model {

// A request to change the attributes of a range of pages.
template <typename Range>
struct BasicAttributeRequest {
  Range range = {};
  EntryFlags set = {};
  EntryFlags clear = {};
  bool force_4k = false;    // set_memory_4k: split whatever changes
  bool array = false;       // CPA_ARRAY, CPA_PAGES_ARRAY: page by page, so that no large page is kept
  bool collapse = false;    // CPA_COLLAPSE (6.15, set_memory_rox alone): put large pages together afterwards
  bool flush = true;        // false: set_direct_map_*_noflush, whose callers flush or do not
  bool check_alias = true;  // false: CPA_NO_CHECK_ALIAS, as set_memory_np_noalias
  friend bool operator==(const BasicAttributeRequest&, const BasicAttributeRequest&) = default;
};

// On direct-map addresses, named by the frames they show.
using AttributeRequest = BasicAttributeRequest<FrameRange>;
// On other kernel addresses.
using VirtualAttributeRequest = BasicAttributeRequest<VirtualRange>;

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_ATTRIBUTE_REQUEST_H_
