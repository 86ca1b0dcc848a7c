#ifndef DMFRAG_WORKER_EXPERIMENT_PAGE_USER_H_
#define DMFRAG_WORKER_EXPERIMENT_PAGE_USER_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "worker/model/units.h"
#include "worker/workload/operation.h"

namespace dmfrag::experiment {

// One user of a mix in a run: the kernel calls around its allocations and frees. A user of permissions gets single
// pages through the cache, and larger blocks from the page allocator, since caches have none; ordinary traffic goes to
// the page allocator, and its frees past the cache.
//
// For each object the driver calls Allocate as often as AllocationsOf says, Protect once all were had, and at the
// object's end Unprotect and then Free for every block. Calls come from one thread.
class PageUser {
 public:
  virtual ~PageUser() = default;

  virtual uint64_t AllocationsOf(const workload::Operation& operation) const { return operation.allocations; }

  // One allocation of an object; nullopt: no memory, nothing kept of it.
  virtual std::optional<model::FrameNumber> Allocate(const workload::Operation& operation) = 0;
  // Takes back what Allocate gave.
  virtual void Free(const workload::Operation& operation, model::FrameNumber block) = 0;

  // A block that was the object's before the run is as Allocate would have left it. False: no memory for a split; it is
  // to be freed all the same. REQUIRES: the user's blocks do not come from a cache.
  virtual bool TakeUp(const workload::Operation& /*operation*/, model::FrameNumber /*block*/) { return true; }

  // An object that met the end of memory keeps what it got; otherwise it is given up as a whole.
  virtual bool keeps_parts() const { return true; }
  // The object's blocks change together. False: no memory, and nothing has changed.
  virtual bool Protect(const workload::Operation&, const std::vector<model::FrameNumber>&) { return true; }
  virtual void Unprotect(const workload::Operation&, const std::vector<model::FrameNumber>&) {}

  // Protect does something; Unprotect does.
  virtual bool changes_objects() const { return false; }
  virtual bool resets_objects() const { return changes_objects(); }
  // Its single page `from` is to be at `to` from now on, which is as the supply gives pages; `from` is as the supply
  // takes them. False: no memory for a split. Called for kinds alone whose pages can be moved.
  virtual bool Move(model::FrameNumber /*from*/, model::FrameNumber /*to*/) { return false; }
  // Pages it has beside the blocks of its objects.
  virtual int64_t other_pages() const { return 0; }
  // Memory is short: frees up to `at_most` of them, or the next whole block; returns how many. Called in the middle of
  // anybody's allocations, its own included. Must not allocate.
  virtual model::FrameCount Shrink(model::FrameCount /*at_most*/) { return model::FrameCount(0); }
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_PAGE_USER_H_
