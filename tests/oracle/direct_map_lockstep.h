#ifndef DMFRAG_TESTS_ORACLE_DIRECT_MAP_LOCKSTEP_H_
#define DMFRAG_TESTS_ORACLE_DIRECT_MAP_LOCKSTEP_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/oracle/reference_direct_map.h"
#include "worker/model/attribute_changer.h"
#include "worker/model/attribute_request.h"
#include "worker/model/cpa_rules.h"
#include "worker/model/direct_map.h"
#include "worker/model/direct_map_counters.h"
#include "worker/model/event_counters.h"
#include "worker/model/kernel_release.h"
#include "worker/model/table_page_source.h"
#include "worker/model/virtual_map.h"

namespace dmfrag::tests {

// Page tables from below, as many as allowed; it remembers who asked.
class RecordedTables : public model::TablePageSource {
 public:
  using Taken = std::pair<model::MapLevel, model::FrameNumber>;  // what was split, and its first frame
  std::optional<model::FrameNumber> TakeTable(model::MapLevel level, model::FrameNumber first) override;
  void ReturnTable(model::FrameNumber table) override { returned.push_back(table); }

  uint64_t left = kEndless;
  std::vector<Taken> taken;
  std::vector<model::FrameNumber> returned;
  static constexpr uint64_t kEndless = ~uint64_t{0};
};

// As source that whoever reads a failure can paste into a test.
std::string Print(const model::AttributeRequest& request);
std::string Print(const model::VirtualAttributeRequest& request);

struct LockstepOptions {
  model::CpaRules rules = model::CpaRules::Of(model::KernelRelease::k7_3);
  // The kernel's counters of 4K, 2M and 1G entries start so much below the truth, but not below 0, as they do after a
  // boot that has split what it had not counted.
  uint64_t missing = 0;
  // The kernel image is frames [4096, 5120), which it maps by two 2M pages.
  bool image = false;
};

// A direct map and its reference, taken through the same requests and compared after each: outcome, every entry,
// counters, events, page tables taken and given back, whether each touched block is uniform, and the map's own
// invariants. Beside the direct map there is a vmalloc area, which shows by one 2M page frames [512, 1024), and by 4K
// pages 512 of [1024, 1536) in disorder, [3072, 3584) in order, and every 13th from 3584 on, 64 of them.
class DirectMapLockstep {
 public:
  static constexpr model::VirtualPage kArea{uint64_t{1} << 20};
  static constexpr uint64_t kAreaPages = 2048;  // holes included
  static constexpr model::VirtualPage kImage{uint64_t{1} << 21};
  static constexpr uint64_t kImagePages = 1024;

  // REQUIRES: `start` makes a map.
  explicit DirectMapLockstep(const std::vector<model::LeafRun>& start, const LockstepOptions& options = {});

  // Carries out `request` with `tables_left` page tables to be had. Empty if both did the same, else what differs and
  // the program so far.
  std::string Perform(const model::AttributeRequest& request, uint64_t tables_left = RecordedTables::kEndless);
  // The same on the area, or on the image.
  std::string Perform(const model::VirtualAttributeRequest& request, bool of_image,
                      uint64_t tables_left = RecordedTables::kEndless);

  // AttributeChanger::Collapse.
  std::string PerformCollapse(model::FrameRange range);

  model::CpaOutcome last_outcome() const { return last_outcome_; }
  const model::DirectMap& map() const { return map_; }
  const model::DirectMapCounters& counters() const { return counters_; }
  const model::EventCounters& events() const { return events_; }
  const RecordedTables& tables() const { return tables_; }
  const std::string& program() const { return program_; }

 private:
  void MapArea();
  void MapImage();
  void Begin(const std::string& request, uint64_t tables_left);
  std::string Report(const std::string& difference) const;
  std::string Difference(model::CpaOutcome reference_outcome) const;
  std::string EntryDifference() const;
  std::string TouchedDifference(model::FrameRange range) const;
  std::string EventDifference() const;
  static std::string MappingDifference(const model::VirtualMap& map, const ReferenceDirectMap::Mapping& reference);

  model::DirectMap map_;
  model::DirectMapCounters counters_;
  RecordedTables tables_;
  RecordedTables reference_tables_;
  ReferenceDirectMap reference_;
  model::VirtualMap area_{model::VirtualMap::Kind::kVmalloc};
  model::VirtualMap image_{model::VirtualMap::Kind::kKernelImage};
  model::AttributeChanger changer_;
  model::EventCounters events_;
  model::CpaOutcome last_outcome_ = model::CpaOutcome::kDone;
  std::string program_;
};

}  // namespace dmfrag::tests

#endif  // DMFRAG_TESTS_ORACLE_DIRECT_MAP_LOCKSTEP_H_
