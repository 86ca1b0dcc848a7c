#ifndef DMFRAG_TESTS_ORACLE_REFERENCE_DIRECT_MAP_H_
#define DMFRAG_TESTS_ORACLE_REFERENCE_DIRECT_MAP_H_

#include <cstdint>
#include <map>
#include <vector>

#include "worker/model/attribute_changer.h"
#include "worker/model/direct_map.h"
#include "worker/model/direct_map_counters.h"
#include "worker/model/event_counters.h"
#include "worker/model/table_page_source.h"

namespace dmfrag::tests {

// The direct map with one entry for every 4K page, and CPA on it: slow, and plain enough to be checked by reading. It
// shares types with the model, and no code.
class ReferenceDirectMap {
 public:
  struct Page {
    bool mapped = false;
    model::MapLevel level = model::MapLevel::k4K;
    model::EntryFlags flags;
    friend bool operator==(const Page&, const Page&) = default;
  };

  // Maps `runs`; `counters` are the kernel's at the start. `tables` is asked for page tables, and must outlive this.
  ReferenceDirectMap(const std::vector<model::LeafRun>& runs, const model::DirectMapCounters& counters, uint32_t cpus,
                     model::TablePageSource* tables);

  // Carries out `request`.
  model::CpaOutcome Change(const model::AttributeRequest& request);

  // Up to the end of the last run: there is nothing beyond.
  const std::vector<Page>& pages() const { return pages_; }
  const model::DirectMapCounters& counters() const { return counters_; }
  const model::EventCounters& events() const { return events_; }
  // Counted page by page.
  model::LeafCounts Counts() const;
  // All 512 entries one level below `level` that fill the block at `first` are mapped and have equal flags.
  bool Uniform(uint64_t first, model::MapLevel level) const;

 private:
  // How the pages of a range went.
  struct Walk {
    bool changed = false;
    bool out_of_memory = false;
  };
  Walk ChangePages(const model::AttributeRequest& request, uint64_t end);
  bool Split(uint64_t page);
  bool Collapse(uint64_t first, model::MapLevel to);
  void FlushAll();

  const int64_t other_cpus_;
  model::TablePageSource* const tables_;
  std::vector<Page> pages_;
  // Page tables taken for splits, by the first page of what was split.
  std::map<uint64_t, model::FrameNumber> tables_of_2m_;
  std::map<uint64_t, model::FrameNumber> tables_of_1g_;
  model::DirectMapCounters counters_;
  model::EventCounters events_;
};

}  // namespace dmfrag::tests

#endif  // DMFRAG_TESTS_ORACLE_REFERENCE_DIRECT_MAP_H_
