#ifndef DMFRAG_WORKER_WORKLOAD_PERMISSION_H_
#define DMFRAG_WORKER_WORKLOAD_PERMISSION_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "worker/model/kernel_release.h"
#include "worker/model/units.h"
#include "worker/workload/calls/user_call.h"

// How a kind of user changes permissions: data, whose calls (calls/) are those that were compared with captures. A run
// carries them out, whoever the user is (worker/experiment/make_page_user.h). A new kind of user is a row of this type.
namespace dmfrag::workload {

// Pages that change together, as their calls see them.
struct UserPages {
  std::span<const model::FrameNumber> frames;  // in the order they were got
  model::VirtualRange area;                    // where vmalloc mapped them, in that order; empty: nowhere
  // REQUIRES: the frames are neighbours, in ascending order.
  model::FrameRange block() const { return {frames.front(), frames.back() + model::kFramesPer4K}; }
};

using PermissionCalls = UserCalls (*)(const UserPages& pages, model::KernelRelease release);

// Areas that objects share: each object takes some bytes of one, first fit.
struct Packs {
  uint64_t bytes = 0;        // of a pack; whole 2M. A larger object gets one of as many such as it needs
  uint64_t chunk_bytes = 0;  // what an object's size is rounded up to
  // Whether each 2M of a pack is one block if there are any, or always single pages.
  bool (*in_blocks)(model::KernelRelease release) = nullptr;
  PermissionCalls set = nullptr;    // a pack is new
  PermissionCalls reset = nullptr;  // its last object is gone
  // For packs of whole pages whose parts change by themselves; all three, or none (null).
  PermissionCalls take = nullptr;       // a part was taken
  PermissionCalls restore = nullptr;    // it was not used after all: as the rest of its pack again
  PermissionCalls give_back = nullptr;  // its object is gone
};

struct Permission {
  enum class Unit {
    kBlock,   // each block alone, when it is got and before it is freed; it is mapped nowhere else in the kernel
    kObject,  // all pages of an object together, which lie in one vmalloc area
    kPool,    // blocks that are new to a pool, as many as an object needs; each alone when the pool gives it up
    kModule,  // each kind of a module's memory (module.h), whose calls are those of calls/module_calls.h
  };
  // Whether the direct map's alias is only taken away while another one is used (one), or is the alias that is used and
  // gets the permission (two).
  enum class Category { kOne, kTwo };
  // What the kernel can do with a live page to put a large page together again: copy it elsewhere, read it where it is,
  // or not even that. Both are as proto/dmfrag/v1/users.proto says of the kind.
  enum class Reach { kMovable, kAccessible, kNeither };
  std::string_view name;
  Unit unit = Unit::kBlock;
  Category category = Category::kOne;
  Reach reach = Reach::kAccessible;
  PermissionCalls set = nullptr;
  PermissionCalls reset = nullptr;
  const Packs* packs = nullptr;  // null: never
  // From this release on; before, objects have pages of their own.
  model::KernelRelease packs_since = model::KernelRelease::k5_17;
  // Its calls are for one page: those of a larger block are made page by page.
  bool by_page = false;
  bool past_cache = false;  // single pages come from the page allocator, too, as larger blocks always do
  // Pages of an object go back to the cache so many at once, each after its reset; 0: each by itself.
  size_t free_batch = 0;
  // Pages are cleared when they are got; before they are freed.
  bool zeroes_new = false;
  bool zeroes_freed = false;
};

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_PERMISSION_H_
