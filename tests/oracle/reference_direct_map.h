#ifndef DMFRAG_TESTS_ORACLE_REFERENCE_DIRECT_MAP_H_
#define DMFRAG_TESTS_ORACLE_REFERENCE_DIRECT_MAP_H_

#include <cstdint>
#include <map>
#include <vector>

#include "worker/model/attribute_changer.h"
#include "worker/model/attribute_request.h"
#include "worker/model/cpa_rules.h"
#include "worker/model/cpa_stats.h"
#include "worker/model/direct_map.h"
#include "worker/model/direct_map_counters.h"
#include "worker/model/event_counters.h"
#include "worker/model/table_page_source.h"

namespace dmfrag::tests {

// The direct map and other mappings with one entry for every 4K page, and CPA on them: slow, and plain enough to be
// checked by reading, beside arch/x86/mm/pat/set_memory.c. It shares types with the model, and no code.
class ReferenceDirectMap {
 public:
  struct Page {
    bool mapped = false;
    model::MapLevel level = model::MapLevel::k4K;
    model::EntryFlags flags;
    uint64_t frame = 0;  // that it shows, if it is mapped
    friend bool operator==(const Page&, const Page&) = default;
  };
  // Pages [first, first + pages.size()) of addresses, and the page tables that splits took, by the first page of what
  // was split.
  struct Mapping {
    enum class Kind { kDirectMap, kVmalloc, kKernelImage };
    Kind kind = Kind::kDirectMap;
    uint64_t first = 0;
    std::vector<Page> pages;
    std::map<uint64_t, model::FrameNumber> tables_of_2m = {};
    std::map<uint64_t, model::FrameNumber> tables_of_1g = {};
  };

  // The direct map is made of `runs`; `counters` are the kernel's at the start. `tables` is asked for page tables, and
  // must outlive this.
  ReferenceDirectMap(const std::vector<model::LeafRun>& runs, const model::DirectMapCounters& counters, uint32_t cpus,
                     const model::CpaRules& rules, model::TablePageSource* tables);

  // Further mappings; the image's alias is every frame it shows. The image is made of consecutive frames.
  Mapping vmalloc = {Mapping::Kind::kVmalloc, 0, {}};
  Mapping image = {Mapping::Kind::kKernelImage, 0, {}};

  // Carries out `request` on the direct map.
  model::CpaOutcome Change(const model::AttributeRequest& request);
  // Carries out `request` on `mapping`, one of the above.
  model::CpaOutcome Change(Mapping& mapping, const model::VirtualAttributeRequest& request);

  // Puts together what equal entries there are in the 2M blocks of the direct map that `range` touches.
  void CollapseBlocks(model::FrameRange range);

  // Up to the end of the last run: there is nothing beyond.
  const std::vector<Page>& pages() const { return direct_.pages; }
  const model::DirectMapCounters& counters() const { return counters_; }
  const model::EventCounters& events() const { return events_; }
  const model::CpaStats& stats() const { return stats_; }
  // All 512 entries one level below `level` that fill the block at `page` of the direct map are mapped and have equal
  // flags.
  bool Uniform(uint64_t page, model::MapLevel level) const { return Uniform(direct_, page, level); }

 private:
  // A request on pages [first, end) of some mapping.
  struct Ask {
    uint64_t first = 0;
    uint64_t end = 0;
    model::EntryFlags set;
    model::EntryFlags clear;
    bool force_4k = false;
    bool array = false;
  };
  // What one step did: how many pages it dealt with, none if a split found no memory, and whether it wrote.
  struct Done {
    uint64_t pages = 0;
    bool wrote = false;
  };
  // What a request leaves for its end.
  struct Progress {
    bool changed = false;
    bool alias_asked = false;
    bool out_of_memory = false;
  };

  template <typename Request>
  model::CpaOutcome Perform(Mapping& mapping, const Request& request);
  Progress Walk(Mapping& mapping, const Ask& ask, bool check_alias);
  Progress Aliases(const Mapping& mapping, uint64_t frame, uint64_t pages, const Ask& ask);
  Done Step(Mapping& mapping, uint64_t page, uint64_t left, const Ask& ask);
  // True if the request flushed as one that succeeded does.
  bool Flush(const Mapping& mapping, const Ask& ask, const Progress& progress);
  bool Split(Mapping& mapping, uint64_t page);
  bool Uniform(const Mapping& mapping, uint64_t page, model::MapLevel level) const;
  void CollapseBlocks(Mapping& mapping, uint64_t first, uint64_t end);
  bool Collapse(Mapping& mapping, uint64_t page, model::MapLevel to);
  void FlushAll();
  model::EntryFlags NewFlags(model::EntryFlags old, const Ask& ask) const;

  const int64_t other_cpus_;
  const model::CpaRules rules_;
  model::TablePageSource* const tables_;
  Mapping direct_;
  model::DirectMapCounters counters_;
  model::EventCounters events_;
  model::CpaStats stats_;
};

}  // namespace dmfrag::tests

#endif  // DMFRAG_TESTS_ORACLE_REFERENCE_DIRECT_MAP_H_
