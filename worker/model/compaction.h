#ifndef DMFRAG_WORKER_MODEL_COMPACTION_H_
#define DMFRAG_WORKER_MODEL_COMPACTION_H_

#include <cstdint>
#include <optional>

#include "worker/model/page_allocator.h"
#include "worker/model/units.h"

namespace dmfrag::model {

// Knows which frames may be moved.
class MovableFrames {
 public:
  virtual ~MovableFrames() = default;
  // The frame is a movable page in use.
  virtual bool IsMovable(FrameNumber frame) const = 0;
  // Its content is now at `to`, which is given out; `from` is about to be freed.
  virtual void Moved(FrameNumber from, FrameNumber to) = 0;
};

// Compaction of one zone, as far as it makes free blocks: movable pages of movable pageblocks, from the zone's start
// upwards, go to free frames of movable pageblocks, from its end downwards, until the two scanners meet; then they
// start again.
//
// Source: mm/compaction.c compact_zone, isolate_migratepages, isolate_freepages. Simplifications: a block of the wanted
// order with a page that cannot move is passed by (as asynchronous compaction does, skip_on_failure); single pages
// alone move; it works between two requests, never beside one. Thread-compatible. Borrows both pointers. A call takes
// time linear in touched memory of the zone, and no memory of the host.
class Compaction {
 public:
  // REQUIRES: `zone` lies within one zone of the allocator.
  Compaction(PageAllocator* allocator, FrameRange zone, MovableFrames* frames)
      : allocator_(allocator),
        zone_{zone.first.AlignedUp(kFramesPer2M), zone.end.AlignedDown(kFramesPer2M)},
        frames_(frames),
        migrate_(zone_.first),
        free_(zone_.end) {}

  // Empties one more block of `order`, naturally aligned. False: there is none to be had in the whole zone.
  bool MakeFreeBlock(uint32_t cpu, Order order = kPageblockOrder);
  // Empties all pageblocks that can be emptied, from the start.
  void Run(uint32_t cpu);

  // Pages moved so far (pgmigrate_success).
  uint64_t moved_frames() const { return moved_; }

 private:
  void Restart();
  // The next block of `order` that can be emptied, below the other scanner; nullopt: the scanners met.
  std::optional<FrameNumber> NextSource(Order order);
  // Whether every frame of the block is free or can be moved, and some are in use.
  bool CanEmpty(FrameNumber block, Order order) const;
  // Moves what is in use; false: the scanners met first.
  bool Empty(FrameNumber block, Order order, uint32_t cpu);
  // The next free frame from the end downwards, given out.
  std::optional<FrameNumber> TakeTarget(FrameNumber above);

  PageAllocator* allocator_;
  FrameRange zone_;
  MovableFrames* frames_;
  FrameNumber migrate_;  // next block to look at
  FrameNumber free_;     // frames from here on were looked at
  uint64_t moved_ = 0;
};

}  // namespace dmfrag::model

#endif  // DMFRAG_WORKER_MODEL_COMPACTION_H_
