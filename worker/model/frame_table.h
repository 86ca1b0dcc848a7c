#ifndef DMFRAG_WORKER_MODEL_FRAME_TABLE_H_
#define DMFRAG_WORKER_MODEL_FRAME_TABLE_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "worker/model/migratetype.h"
#include "worker/model/units.h"

namespace dmfrag::model {

// Names a frame's record within a FrameTable. Consecutive frames of one 128 MiB section have consecutive indices, and a
// block of up to kMaxOrder never leaves its section, so that buddy arithmetic works on indices as on frame numbers.
using FrameIndex = uint32_t;
inline constexpr FrameIndex kNoFrameIndex = ~FrameIndex{0};

// What a frame is, if it is the first of a block.
enum class FrameState : uint8_t {
  kNone,       // not the first of a block, or no memory of the allocator's
  kFree,       // on a free list of its zone
  kPerCpu,     // on a per-CPU list
  kAllocated,  // given out
};

// The kernel's struct page, as far as an allocator needs it: 12 bytes.
struct FrameRecord {
  FrameIndex next = kNoFrameIndex;  // on the list that `state` names; of a page that has an owner: the owner's words
  FrameIndex prev = kNoFrameIndex;
  FrameState state = FrameState::kNone;
  uint8_t order = 0;                           // of the block it is the first of
  Migratetype type = Migratetype::kUnmovable;  // of its list; if allocated, as asked for
  bool has_owner = false;                      // if allocated
};

// Records of frames, and of pageblocks, made section by section when first touched: untouched memory costs 4 bytes a
// section. Thread-compatible. Every operation takes constant time but the first touch of a section.
class FrameTable {
 public:
  static constexpr unsigned kSectionShift = 15;  // 2^15 frames: 128 MiB
  static constexpr uint64_t kSectionFrames = uint64_t{1} << kSectionShift;

  // For frames [0, end).
  explicit FrameTable(FrameNumber end) : slot_of_section_((end.raw() >> kSectionShift) + 1, kNoSlot) {}

  // Indices are about to run out, at 16 TiB of touched memory: touch no more.
  bool IsFull() const { return sections_.size() + 4 >= kMaxSections; }
  bool IsTouched(FrameNumber frame) const { return SlotOf(frame) != kNoSlot; }
  // Makes the section of `frame` if it is not there. REQUIRES: `frame` is below the table's end.
  FrameIndex Touch(FrameNumber frame);
  // REQUIRES: IsTouched(frame).
  FrameIndex IndexOf(FrameNumber frame) const {
    return SlotOf(frame) << kSectionShift | static_cast<FrameIndex>(frame.raw() & (kSectionFrames - 1));
  }
  FrameNumber FrameOf(FrameIndex index) const {
    return FrameNumber(sections_[index >> kSectionShift]->first.raw() + (index & (kSectionFrames - 1)));
  }

  FrameRecord& record(FrameIndex index) {
    return sections_[index >> kSectionShift]->records[index & (kSectionFrames - 1)];
  }
  const FrameRecord& record(FrameIndex index) const {
    return sections_[index >> kSectionShift]->records[index & (kSectionFrames - 1)];
  }

  // Migratetype of the pageblock that holds a frame.
  Migratetype& block_type(FrameIndex index) { return block(index).type; }
  Migratetype block_type(FrameIndex index) const {
    return sections_[index >> kSectionShift]->blocks[(index & (kSectionFrames - 1)) / kFramesPer2M.raw()].type;
  }
  // Frames of the pageblock at `index` that are given out as movable: what claiming it looks at.
  unsigned movable_frames(FrameIndex index) const {
    return sections_[index >> kSectionShift]->blocks[(index & (kSectionFrames - 1)) / kFramesPer2M.raw()].movable;
  }
  // The block at `first` is given out, without an owner. REQUIRES: it is on no list.
  void GiveOut(FrameIndex first, Order order, Migratetype type) {
    FrameRecord& given = record(first);
    given.state = FrameState::kAllocated;
    given.order = static_cast<uint8_t>(order.raw());
    given.type = type;
    given.has_owner = false;
    if (type == Migratetype::kMovable) CountMovable(first, order, /*given_out=*/true);
  }
  // It comes back, to be put on a list. A block that was never given out (FrameState::kNone) may come, too.
  void TakeBack(FrameIndex first, Order order) {
    FrameRecord& taken = record(first);
    if (taken.state == FrameState::kAllocated && taken.type == Migratetype::kMovable) {
      CountMovable(first, order, /*given_out=*/false);
    }
    taken.state = FrameState::kNone;
  }
  // Mark a cache type may put on a pageblock; 0 at first.
  uint8_t& block_mark(FrameIndex index) { return block(index).mark; }

  // First frames of the sections made so far, in no order.
  std::vector<FrameNumber> TouchedSections() const;

 private:
  static constexpr uint32_t kNoSlot = ~uint32_t{0};
  static constexpr size_t kMaxSections = size_t{1} << (32 - kSectionShift);
  struct Block {
    Migratetype type = Migratetype::kMovable;  // every block starts movable (memmap_init_range)
    uint8_t mark = 0;
    uint16_t movable = 0;  // frames
  };
  struct Section {
    FrameNumber first;
    std::array<FrameRecord, kSectionFrames> records;
    std::array<Block, kSectionFrames / kFramesPer2M.raw()> blocks;
  };

  uint32_t SlotOf(FrameNumber frame) const { return slot_of_section_[frame.raw() >> kSectionShift]; }
  Block& block(FrameIndex index) {
    return sections_[index >> kSectionShift]->blocks[(index & (kSectionFrames - 1)) / kFramesPer2M.raw()];
  }

  void CountMovable(FrameIndex first, Order order, bool given_out) {
    const auto frames = static_cast<FrameIndex>(std::min(order.frames(), kFramesPer2M).raw());
    for (FrameIndex i = 0; i < order.frames().raw(); i += frames) {
      uint16_t& movable = block(first + i).movable;
      movable = static_cast<uint16_t>(given_out ? movable + frames : movable - frames);
    }
  }

  std::vector<uint32_t> slot_of_section_;
  std::vector<std::unique_ptr<Section>> sections_;
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_FRAME_TABLE_H_
