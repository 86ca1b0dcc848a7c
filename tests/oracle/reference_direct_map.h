#ifndef DMFRAG_TESTS_ORACLE_REFERENCE_DIRECT_MAP_H_
#define DMFRAG_TESTS_ORACLE_REFERENCE_DIRECT_MAP_H_

#include <cstdint>
#include <vector>

#include "worker/model/attribute_changer.h"
#include "worker/model/direct_map.h"

namespace dmfrag::tests {

// The direct map with one entry for every 4K page, and CPA on it: slow, and plain enough to be checked by reading. It
// shares types with the model, and no code. Page tables are had for the asking, up to a number.
class ReferenceDirectMap {
 public:
  struct Page {
    bool mapped = false;
    model::MapLevel level = model::MapLevel::k4K;
    model::EntryFlags flags;
    friend bool operator==(const Page&, const Page&) = default;
  };

  // A copy of `map`.
  explicit ReferenceDirectMap(const model::DirectMap& map);

  // Carries out `request`; false: it met an empty supply of page tables.
  bool Change(const model::AttributeRequest& request);

  const std::vector<Page>& pages() const { return pages_; }
  model::LeafCounts Counts() const;
  uint64_t tables_left = ~uint64_t{0};
  uint64_t splits_2m = 0;
  uint64_t splits_1g = 0;
  uint64_t collapses_2m = 0;
  uint64_t collapses_1g = 0;

 private:
  bool Split(uint64_t page);
  bool Collapse(uint64_t first, model::MapLevel from, model::MapLevel to);

  std::vector<Page> pages_;
};

}  // namespace dmfrag::tests

#endif  // DMFRAG_TESTS_ORACLE_REFERENCE_DIRECT_MAP_H_
