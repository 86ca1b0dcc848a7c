#ifndef DMFRAG_WORKER_WORKLOAD_PERMISSION_H_
#define DMFRAG_WORKER_WORKLOAD_PERMISSION_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "worker/model/kernel_release.h"
#include "worker/model/units.h"
#include "worker/workload/calls/user_call.h"

// How a kind of user changes permissions: data, whose calls (calls/) are those that were compared with captures. A run
// carries them out, whoever the user is (worker/experiment/page_user.h). A new kind of user is a row of this type.
namespace dmfrag::workload {

// Pages that change together, as their calls see them.
struct UserPages {
  std::span<const model::FrameNumber> frames;  // in the order they were got
  model::VirtualRange area;                    // where vmalloc mapped them, in that order; empty: nowhere
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
    kPage,    // each page alone, at its touch and at its end; it is mapped nowhere else in the kernel
    kObject,  // all pages of an object together, which lie in one vmalloc area
    kModule,  // each kind of a module's memory (module.h), whose calls are those of calls/module_calls.h
  };
  std::string_view name;
  Unit unit = Unit::kPage;
  PermissionCalls set = nullptr;
  PermissionCalls reset = nullptr;
  const Packs* packs = nullptr;  // null: never
  // From this release on; before, objects have pages of their own.
  model::KernelRelease packs_since = model::KernelRelease::k5_17;
  bool zeroes_pages = false;  // pages are cleared when they are got, and before they are freed
};

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_PERMISSION_H_
