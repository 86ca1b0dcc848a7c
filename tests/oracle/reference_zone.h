#ifndef DMFRAG_TESTS_ORACLE_REFERENCE_ZONE_H_
#define DMFRAG_TESTS_ORACLE_REFERENCE_ZONE_H_

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "worker/model/kernel_release.h"
#include "worker/model/migratetype.h"

namespace dmfrag::tests {

// A zone's buddy lists as plain lists of frame numbers, with the rules of a kernel's release written out: slow, and
// plain enough to be checked by reading. It shares no code with the model.
class ReferenceZone {
 public:
  explicit ReferenceZone(model::KernelRelease release) : release_(release) {}
  // With frames [first, end).
  ReferenceZone(uint64_t first, uint64_t end, model::KernelRelease release);

  // Gives it frames [first, end) at boot; calls ascend.
  void AddMemory(uint64_t first, uint64_t end);

  std::optional<uint64_t> Allocate(unsigned order, model::Migratetype type, bool may_fragment);
  // The same, the next of several that a per-CPU list takes at once: from 6.15 on, once one was stolen, the next are
  // without a look elsewhere. `stealing` is false before the first.
  std::optional<uint64_t> AllocateNext(unsigned order, model::Migratetype type, bool may_fragment, bool* stealing);
  // What the frames of a block that was taken are used for; nullopt: they wait on a per-CPU list.
  void SetUse(uint64_t frame, unsigned order, std::optional<model::Migratetype> type);
  // To the lists of `type`; unset: of the frame's pageblock.
  void Free(uint64_t frame, unsigned order, std::optional<model::Migratetype> type);

  // Frames of the list of `order` and `type`, head first.
  const std::list<uint64_t>& blocks(unsigned order, model::Migratetype type) const;
  model::Migratetype block_type(uint64_t frame) const;
  uint64_t free_frames() const;
  uint64_t managed_frames() const { return managed_; }

 private:
  struct Allocation {
    unsigned order;
    model::Migratetype type;
  };
  struct FreeBlock {
    unsigned order;
    model::Migratetype type;
  };

  std::optional<uint64_t> TakeSmallest(unsigned order, model::Migratetype type);
  // __rmqueue_fallback of 6.1, and of 6.10 to 6.14.
  std::optional<uint64_t> Fallback61(unsigned order, model::Migratetype type, bool may_fragment);
  std::optional<uint64_t> Fallback612(unsigned order, model::Migratetype type, bool may_fragment);
  // Order of the free block that both take, and its type.
  std::optional<std::pair<unsigned, model::Migratetype>> FallbackBlock(unsigned order, model::Migratetype type,
                                                                       bool may_fragment) const;
  std::optional<model::Migratetype> FallbackAt(unsigned order, model::Migratetype type) const;
  // Free frames of the pageblock of `frame`, and those that get on with `type`.
  uint64_t FreeAndAlike(uint64_t frame, model::Migratetype type) const;
  void MoveFree(uint64_t frame, model::Migratetype type);
  std::optional<uint64_t> Claim(unsigned order, model::Migratetype type, bool may_fragment);
  std::optional<uint64_t> ClaimBlock(uint64_t frame, unsigned found, unsigned order, model::Migratetype type);
  std::optional<uint64_t> Steal(unsigned order, model::Migratetype type);
  // Takes `frame`, a free block of order `found`, and gives back all but its first 2^order frames to lists of `type`.
  void TakeAndExpand(uint64_t frame, unsigned found, unsigned order, model::Migratetype type);
  void Put(uint64_t frame, unsigned order, model::Migratetype type, bool at_tail);
  void Take(uint64_t frame);

  model::KernelRelease release_;
  std::map<std::pair<unsigned, model::Migratetype>, std::list<uint64_t>> lists_;
  std::map<uint64_t, FreeBlock> free_;
  std::map<uint64_t, Allocation> allocated_;
  std::map<uint64_t, model::Migratetype> block_types_;  // by frame / 512; movable if not here
  uint64_t managed_ = 0;
};

}  // namespace dmfrag::tests

#endif  // DMFRAG_TESTS_ORACLE_REFERENCE_ZONE_H_
