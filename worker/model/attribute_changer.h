#ifndef DMFRAG_WORKER_MODEL_ATTRIBUTE_CHANGER_H_
#define DMFRAG_WORKER_MODEL_ATTRIBUTE_CHANGER_H_

#include "worker/model/direct_map.h"
#include "worker/model/direct_map_counters.h"
#include "worker/model/entry_flags.h"
#include "worker/model/event_counters.h"
#include "worker/model/table_page_source.h"
#include "worker/model/tlb_flushes.h"
#include "worker/model/units.h"

namespace dmfrag::model {

// One request to change attributes of the direct map.
struct AttributeRequest {
  FrameRange range = {};
  EntryFlags set = {};
  EntryFlags clear = {};
  bool force_4k = false;  // set_memory_4k: split whatever changes
  bool array = false;     // CPA_ARRAY, CPA_PAGES_ARRAY: page by page, so that no large page is kept
  bool collapse = false;  // CPA_COLLAPSE (6.15, set_memory_rox alone): put large pages together afterwards
  bool flush = true;      // false: set_direct_map_*_noflush, whose callers flush or do not
};

// How a request ended.
enum class CpaOutcome {
  kDone,
  // ENOMEM at a split. What comes before the failed page in the range stays changed, the page itself and the rest are
  // as they were.
  kNoMemory,
};

// CPA: the kernel's change_page_attr on direct-map addresses. A range that covers a whole entry rewrites it; a partial
// one splits it, one level at a time, if its attributes really change or the split is forced; one that changes nothing
// leaves everything alone. Nothing is ever put together again but by `collapse`.
//
// Source: arch/x86/mm/pat/set_memory.c __change_page_attr_set_clr, __should_split_large_page, __split_large_page,
// cpa_flush, cpa_collapse_large_pages; equal to every split and collapse recorded on 6.1, 6.12, 6.16, 6.18 and 7.3.
// Not in it: aliases of other addresses (the caller asks for the direct-map side), static protections of the kernel
// image, data cache flushes. Thread-compatible. Takes a step per entry touched.
class AttributeChanger {
 public:
  // Borrows all three, which must outlive it.
  AttributeChanger(DirectMap* map, DirectMapCounters* counters, TablePageSource* tables, TlbFlushes flushes)
      : map_(map), counters_(counters), tables_(tables), flushes_(flushes) {}

  // Carries out one request and counts what happens in `account`.
  CpaOutcome Change(const AttributeRequest& request, EventCounters& account);

 private:
  // One step of the main loop: changes up to `remaining` frames from `first`; returns how many it dealt with, or 0 if a
  // split found no memory.
  FrameCount Step(FrameNumber first, FrameCount remaining, const AttributeRequest& request, EventCounters& account);
  bool Split(const DirectMap::Leaf& leaf, EventCounters& account);
  void CollapseTouched(const AttributeRequest& request, EventCounters& account);
  bool TryCollapse(FrameNumber first, MapLevel level, EventCounters& account);

  DirectMap* map_;
  DirectMapCounters* counters_;
  TablePageSource* tables_;
  TlbFlushes flushes_;
  bool changed_ = false;  // CPA_FLUSHTLB of the request in work
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_ATTRIBUTE_CHANGER_H_
