#ifndef DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_COMPACTION_H_
#define DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_COMPACTION_H_

#include <cstdint>
#include <optional>

#include "worker/model/page_allocator.h"
#include "worker/model/units.h"

namespace dmfrag::experiment {

// Knows which frames may be moved.
class MovableFrames {
 public:
  virtual ~MovableFrames() = default;
  // The frame is a movable page in use.
  virtual bool IsMovable(model::FrameNumber frame) const = 0;
  // Its content is now at `to`, which is given out; `from` is about to be freed.
  virtual void Moved(model::FrameNumber from, model::FrameNumber to) = 0;
};

// kcompactd, as far as it makes whole free pageblocks: movable pages of movable blocks, from the zone's start upwards,
// go to free frames of movable blocks, from its end downwards, until the two scanners meet; then they start again.
//
// Source: mm/compaction.c compact_zone, isolate_migratepages, isolate_freepages, kcompactd_do_work. Simplifications:
// blocks with a page that cannot move are passed by; it works between two requests, never beside one.
// Thread-compatible. Borrows both pointers.
class Compaction {
 public:
  Compaction(model::PageAllocator* allocator, model::FrameRange zone, MovableFrames* frames)
      : allocator_(allocator),
        zone_{zone.first.AlignedUp(model::kFramesPer2M), zone.end.AlignedDown(model::kFramesPer2M)},
        frames_(frames),
        migrate_(zone_.first),
        free_(zone_.end) {}

  // Empties one more pageblock. False: there is none to be had in the whole zone.
  bool MakeFreeBlock(uint32_t cpu);
  // Empties all that can be emptied, from the start.
  void Run(uint32_t cpu);

  uint64_t moved_frames() const { return moved_; }

 private:
  void Restart();
  // Whether every frame of the block is free or can be moved, and some are in use.
  bool CanEmpty(model::FrameNumber block) const;
  // Moves what is in use; false: the scanners met first.
  bool Empty(model::FrameNumber block, uint32_t cpu);
  // The next free frame from the end downwards, given out.
  std::optional<model::FrameNumber> TakeTarget(model::FrameNumber above);

  model::PageAllocator* allocator_;
  model::FrameRange zone_;
  MovableFrames* frames_;
  model::FrameNumber migrate_;  // next block to look at
  model::FrameNumber free_;     // frames from here on were looked at
  uint64_t moved_ = 0;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_COMPACTION_H_
