#ifndef DMFRAG_WORKER_EXPERIMENT_FLUSHES_ALIAS_FLUSHES_H_
#define DMFRAG_WORKER_EXPERIMENT_FLUSHES_ALIAS_FLUSHES_H_

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "worker/experiment/flushes/freed_areas.h"
#include "worker/model/cpa_rules.h"
#include "worker/model/units.h"
#include "worker/workload/replay_input.h"

namespace dmfrag::experiment {

// Flushes that the set_memory_* calls of one step made.
struct AliasFlushes {
  int64_t flush_tlb_all = 0;
  int64_t cpa_ranges = 0;              // on_each_cpu(__cpa_flush_tlb)
  int64_t flush_tlb_kernel_range = 0;  // of areas freed lazily, by vm_unmap_aliases
  int64_t modules_loaded = 0;
  // Of large pages of the ROX cache, in its own mapping; counted in flush_tlb_all.
  int64_t cache_splits = 0;
  int64_t cache_collapses = 0;
};

// Finds out, from the change requests on direct-map aliases alone, which set_memory_* calls on vmalloc memory made
// them, and what those flushed. A capture records the request of each page, not the call that made it; the rules are
//
// - one call changes one area: an area ends where another begins, the operation changes, or a page comes again. Areas
//   are known by the (nx, rw) pair that starts each of the ROX cache's kernels (execmem_make_temp_rw), else by their
//   free;
// - a call that changes something ends in one flush_tlb_all, since an alias was touched (cpa_flush, force_flush_all);
// - in the ROX cache (6.15), a call that makes pages of a whole 2M block writable splits its vmalloc entry, and the one
//   that makes its last page read-only collapses it again: one flush_tlb_all each;
// - before 6.2, where execmem and text/rodata areas are not apart, a module's first pass over its core area is text and
//   rodata, that over its init area is text, and each text gets a set_memory_x that no alias call shows;
// - a load frees the file's buffer lazily, and the next set_memory_* call flushes that: once a load. From 6.2 on loads
//   that fail early can be told, by areas freed that no call was made on: they free the buffer last, so that the next
//   call after a run of them flushes, once.
//
// Areas that the capture never frees are told by the other marks alone: neighbours may count as one, and loads of
// modules that stay are not counted before 6.15.
//
// Source: kernel/module/main.c and strict_rwx.c, mm/execmem.c, arch/x86/mm/pat/set_memory.c of 6.1, 6.12 and 7.3;
// measured on their flush-* captures. Requests are given in order; one processor's at a time is assumed.
// Thread-compatible.
class AliasFlushCounter {
 public:
  // Borrows `areas`, which must outlive it.
  AliasFlushCounter(const model::CpaRules& rules, const FreedAreas* areas) : rules_(rules), areas_(areas) {}

  // One request on an alias, the `position`-th of the capture; `changed`: it changed an entry of the direct map.
  // REQUIRES: call.count == 1.
  void Observe(const workload::CpaCall& call, uint64_t position, bool changed);
  // A page was made default: what was known of its area is history.
  void PageFreed(model::FrameNumber frame) { announced_.erase(frame.raw()); }
  // The free of an area flushed, and with it whatever was freed lazily.
  void AreaFreed(uint32_t area) { load_failed_ = !called_on_.contains(area); }
  // Ends the step and returns what it flushed.
  AliasFlushes TakeStep();

 private:
  enum class Kind { kNoExecute, kWritable, kReadOnly };
  enum class AreaSource { kUnknown, kAnnounced, kFreed };
  using Area = std::pair<AreaSource, uint32_t>;

  // Requests of one call.
  struct Call {
    Kind kind = Kind::kReadOnly;
    Area area;
    bool changed = false;
    absl::flat_hash_set<uint64_t> frames;
  };

  static Kind KindOf(const workload::CpaCall& call);
  Area AreaOf(Kind kind, model::FrameNumber frame, uint64_t position) const;
  void Begin(Kind kind, Area area);
  void WholeLeaf(const workload::CpaCall& call, bool changed);
  void End();
  void EndWritable(const Call& call);
  void EndAnnounced(const Call& call);
  void EndFreed(const Call& call);
  void EndBefore6_2(const Call& call);
  void SetExecutable(uint64_t frames);
  // The first call of a second pass over a module ends its load.
  void CountLoadOnSecondPass(bool first_pass);
  void CountLoad();

  const model::CpaRules rules_;
  const FreedAreas* const areas_;
  AliasFlushes flushes_;
  std::optional<Call> call_;
  // ROX cache: the area of each page, by the number of its announcement; pages being writable, by 2M block.
  absl::flat_hash_map<uint64_t, uint32_t> announced_;
  uint32_t announcements_ = 0;
  absl::flat_hash_map<uint64_t, absl::flat_hash_set<uint64_t>> writable_;
  std::optional<Area> written_last_;
  bool text_done_ = false;
  absl::flat_hash_set<uint32_t> called_on_;  // areas
  bool load_failed_ = false;                 // since the last call or free of an area that had calls
  // Other kernels: areas whose first pass was seen.
  absl::flat_hash_set<uint32_t> begun_;
  bool loading_ = false;       // a first pass was seen, and no second one yet
  bool init_is_next_ = false;  // the last call was the first pass over a core area
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_FLUSHES_ALIAS_FLUSHES_H_
