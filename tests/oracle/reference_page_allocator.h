#ifndef DMFRAG_TESTS_ORACLE_REFERENCE_PAGE_ALLOCATOR_H_
#define DMFRAG_TESTS_ORACLE_REFERENCE_PAGE_ALLOCATOR_H_

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "tests/oracle/reference_zone.h"
#include "worker/model/kernel_release.h"
#include "worker/model/migratetype.h"

namespace dmfrag::tests {

// The lists of one processor for one zone, as mm/page_alloc.c describes them, with plain lists. Two sets of rules:
// those up to 6.6 and those since.
class ReferencePerCpu {
 public:
  // For a zone of `managed` frames with WMARK_LOW `low`, shared by `cpus` processors. Borrows `zone`.
  ReferencePerCpu(ReferenceZone* zone, uint64_t managed, uint64_t low, uint64_t cpus, model::KernelRelease release);

  // `single`: a request of its own, not one of alloc_pages_bulk.
  std::optional<uint64_t> Allocate(unsigned order, model::Migratetype type, bool may_fragment, bool single);
  void Free(uint64_t frame, unsigned order);
  void Drain() { GiveBack(count_, 0); }
  void Decay();

  uint64_t frames() const { return count_; }
  uint64_t high() const { return high_; }
  uint64_t batch() const { return batch_; }
  // Head first; index = type + 3 * order.
  const std::list<uint64_t>& list(unsigned index) const { return lists_[index]; }

  static constexpr unsigned kLists = 12;

 private:
  int64_t BlocksToTake(unsigned order);
  // How many frames leave after a free of `order`; 0: none.
  int64_t FramesToGive(unsigned order);
  int64_t FramesToGive61(unsigned order);
  void GiveBack(int64_t frames, unsigned first_list);

  ReferenceZone* zone_;
  model::KernelRelease release_;
  int64_t batch_;
  int64_t high_min_;
  int64_t high_max_;
  int64_t high_;
  int64_t count_ = 0;
  int64_t free_count_ = 0;
  unsigned alloc_factor_ = 0;
  unsigned free_factor_ = 0;
  bool previous_free_was_high_order_ = false;
  std::list<uint64_t> lists_[kLists];
};

// The page allocator of a machine of one node, slow and plain: zones, per-CPU lists, watermarks. It shares no code with
// the model, whose simplifications it has: no reclaim, boost or compaction.
class ReferencePageAllocator {
 public:
  static constexpr uint64_t kNoMovable = uint64_t{1} << 40;

  struct Zone {
    Zone(model::KernelRelease release) : lists(release) {}
    ReferenceZone lists;
    uint64_t first = 0;
    uint64_t end = 0;
    uint64_t min = 0;  // WMARK_MIN
    uint64_t low = 0;  // WMARK_LOW
    // lowmem_reserve of requests that may not use ZONE_MOVABLE, and of those that may.
    uint64_t reserve = 0;
    uint64_t movable_reserve = 0;
    std::vector<ReferencePerCpu> per_cpu;
  };

  // Memory: frames [first, end), ascending; those below 256 are kept by the machine. From `first_movable` on it is
  // ZONE_MOVABLE.
  ReferencePageAllocator(const std::vector<std::pair<uint64_t, uint64_t>>& memory, unsigned cpus,
                         model::KernelRelease release, uint64_t first_movable = kNoMovable);
  ReferencePageAllocator(const ReferencePageAllocator&) = delete;
  ReferencePageAllocator& operator=(const ReferencePageAllocator&) = delete;

  std::optional<uint64_t> Allocate(unsigned order, model::Migratetype type, unsigned cpu);
  std::vector<uint64_t> BulkAllocate(uint64_t count, model::Migratetype type, unsigned cpu);
  void Free(uint64_t frame, unsigned order, unsigned cpu);
  void Split(uint64_t frame, unsigned order, unsigned pieces);
  void Drain();
  void DrainZoneOf(uint64_t frame);
  void Decay();

  // DMA, DMA32, Normal, Movable; one without memory has no per-CPU lists.
  const std::vector<Zone>& zones() const { return zones_; }
  uint64_t allocated_frames() const;

 private:
  Zone& ZoneOf(uint64_t frame);
  static bool MayUse(size_t zone, model::Migratetype type) { return zone < 3 || type == model::Migratetype::kMovable; }
  static uint64_t ReserveFor(const Zone& zone, model::Migratetype type) {
    return type == model::Migratetype::kMovable ? zone.movable_reserve : zone.reserve;
  }
  bool HasMovable() const { return zones_[3].lists.managed_frames() > 0; }
  uint64_t MinFree() const;
  void SetWatermarks(unsigned cpus);

  model::KernelRelease release_;
  std::vector<Zone> zones_;
  std::map<uint64_t, std::pair<unsigned, model::Migratetype>> given_out_;  // order and type by first frame
};

}  // namespace dmfrag::tests

#endif  // DMFRAG_TESTS_ORACLE_REFERENCE_PAGE_ALLOCATOR_H_
