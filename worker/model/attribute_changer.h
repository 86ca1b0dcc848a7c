#ifndef DMFRAG_WORKER_MODEL_ATTRIBUTE_CHANGER_H_
#define DMFRAG_WORKER_MODEL_ATTRIBUTE_CHANGER_H_

#include <cstdint>
#include <optional>

#include "worker/model/attribute_request.h"
#include "worker/model/cpa_observer.h"
#include "worker/model/cpa_rules.h"
#include "worker/model/cpa_stats.h"
#include "worker/model/direct_map.h"
#include "worker/model/direct_map_counters.h"
#include "worker/model/entry_flags.h"
#include "worker/model/event_counters.h"
#include "worker/model/table_page_source.h"
#include "worker/model/tlb_flushes.h"
#include "worker/model/units.h"
#include "worker/model/virtual_map.h"

namespace dmfrag::model {

// How a request ended.
enum class CpaOutcome {
  kDone,
  // ENOMEM at a split. What comes before the failed page in the range stays changed, the page itself and the rest are
  // as they were.
  kNoMemory,
};

// CPA: the kernel's change_page_attr. A range that covers a whole entry rewrites it; a partial one splits it, one level
// at a time, if its attributes really change or the split is forced; one that changes nothing leaves everything alone.
// Which entries are put together again is a rule of the release.
//
// A request on other addresses than the direct map's is carried out there, and each part of it that one step dealt with
// is asked of the direct map too, NX left out: so one page at a time where the mapping has 4K entries, whatever the
// length of the request. Memory of the kernel image has the image's own mapping as a second alias.
//
// Source: arch/x86/mm/pat/set_memory.c change_page_attr_set_clr, __change_page_attr_set_clr, __should_split_large_page,
// __split_large_page, cpa_process_alias, cpa_flush, cpa_collapse_large_pages; equal to every split and collapse
// recorded on 6.1, 6.12, 6.16, 6.18 and 7.3. Not in it: static protections of the kernel image (is_kernel_text and its
// like), the W^X warning. Thread-compatible. Takes a step per entry touched.
class AttributeChanger {
 public:
  // Borrows all three, which must outlive it.
  AttributeChanger(DirectMap* map, DirectMapCounters* counters, TablePageSource* tables, TlbFlushes flushes,
                   CpaRules rules)
      : map_(map), counters_(counters), tables_(tables), flushes_(flushes), rules_(rules) {}

  // Tells `observer` what happens from now on; null: nobody. It must outlive its use.
  void Observe(CpaObserver* observer) { observer_ = observer; }

  // Where the page tables of splits come from, and those of collapses go, from now on. It must outlive its use.
  void SetTableSource(TablePageSource* tables) { tables_ = tables; }

  // Makes `image` the second mapping of `frames`, the first of which its page `first` shows. It must outlive its use.
  void AliasKernelImage(VirtualMap* image, VirtualPage first, FrameRange frames) {
    image_ = image;
    image_first_ = first;
    image_frames_ = frames;
  }

  // Carries out one request on the direct map and counts what happens in `account`. Holes are skipped.
  CpaOutcome Change(const AttributeRequest& request, EventCounters& account);

  // Carries out one request on `mapping`, aliases included. Pages that it does not map are skipped.
  CpaOutcome Change(VirtualMap& mapping, const VirtualAttributeRequest& request, EventCounters& account);

  // Puts together what equal entries there are in the blocks that `range` touches, and flushes if there were any: the
  // explicit call that an owner of whole free blocks would make (proposed in reply to Lu's series of 2022; no kernel
  // has it). Entries that are not present, or 4K on purpose, stay. Returns how many 2M entries it made.
  uint64_t Collapse(FrameRange range, EventCounters& account);

  const CpaStats& stats() const { return stats_; }

 private:
  // One step of the main loop: changes up to `remaining` pages from `first`; returns how many it dealt with, or 0 if a
  // split found no memory.
  template <typename Map, typename Page, typename Request>
  FrameCount Step(Map& map, Page first, FrameCount remaining, const Request& request, EventCounters& account);
  template <typename Request>
  bool ChecksAliases(const Request& request) const;
  // cpa_process_alias for `pages` frames from `frame`. `in_direct_map`: the request itself was for the direct map.
  template <typename Request>
  CpaOutcome ChangeAliases(FrameNumber frame, FrameCount pages, bool in_direct_map, bool in_image,
                           const Request& request, EventCounters& account);
  // __change_page_attr_set_clr on the direct map; `with_image`: and on the kernel image's mapping of the same frames.
  CpaOutcome ChangeDirectMap(const AttributeRequest& request, bool with_image, EventCounters& account);
  // The end of change_page_attr_set_clr; true if something changed, and the request flushes.
  template <typename Map, typename Request>
  bool Flush(const Map& map, const Request& request, CpaOutcome outcome, EventCounters& account);

  EntryFlags Changed(EntryFlags old, EntryFlags set, EntryFlags clear) const;
  void CountCheck(MapLevel level, bool same, bool whole);
  // What the request in work has done so far stays as it is, whatever is asked for in between.
  std::optional<FrameNumber> TakeTable(MapLevel level, FrameNumber first);
  bool Split(DirectMap& map, const DirectMap::Leaf& leaf, EventCounters& account);
  bool Split(VirtualMap& map, const VirtualMap::Leaf& leaf, EventCounters& account);
  // Puts together the entries around a page that has just been changed, if the design says so.
  void AfterWrite(DirectMap& map, FrameNumber frame, MapLevel level, EventCounters& account);
  void AfterWrite(VirtualMap&, VirtualPage, MapLevel, EventCounters&) {}
  bool TryCollapse(FrameNumber first, MapLevel level, EventCounters& account);
  bool TryCollapse(VirtualMap& mapping, VirtualPage first, EventCounters& account);

  DirectMap* map_;
  DirectMapCounters* counters_;
  TablePageSource* tables_;
  TlbFlushes flushes_;
  CpaRules rules_;
  CpaObserver* observer_ = nullptr;
  VirtualMap* image_ = nullptr;
  VirtualPage image_first_;
  FrameRange image_frames_;
  CpaStats stats_;
  bool changed_ = false;          // CPA_FLUSHTLB of the request in work
  bool force_flush_all_ = false;  // cpa_data.force_flush_all: an alias was asked
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_ATTRIBUTE_CHANGER_H_
