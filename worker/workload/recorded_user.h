#ifndef DMFRAG_WORKER_WORKLOAD_RECORDED_USER_H_
#define DMFRAG_WORKER_WORKLOAD_RECORDED_USER_H_

#include <optional>
#include <string>

#include "worker/workload/object_traffic.h"
#include "worker/workload/permission.h"

namespace dmfrag::workload {

// One user of a recording: it asks for what was recorded, block by block, in the way of a kind of user.
struct RecordedUser {
  std::string name;
  std::optional<Permission> permission;  // nullopt: ordinary traffic
};

// The user whose kind makes `of_kind`. Kinds that change each block alone do so with their own calls; so do pools, each
// of whose blocks is recorded when it is new and when it is given up. Code and vmalloc areas, whose objects no
// recording tells apart, are pages of code (CodePagePermission).
RecordedUser RecordedUserOf(std::string name, const ObjectTraffic& of_kind);

// The same user's blocks from before the recording: they did not come from a cache, and do not go to one of their own.
RecordedUser HeldUserOf(const RecordedUser& user);

// A page of code by itself: its alias in the direct map is made read-only, as set_memory_ro of its mapping does, and
// when it is freed taken away and put back (mm/vmalloc.c vm_reset_perms), with a flush of its own. The mapping through
// which it runs plays no part. Simplification: an area's pages share their flushes in the kernel.
Permission CodePagePermission();

// What the user does, as the driver sees it: of its figures the permission alone counts. Borrows the permission.
ObjectTraffic TrafficOf(const RecordedUser& user);

}  // namespace dmfrag::workload

#endif  // DMFRAG_WORKER_WORKLOAD_RECORDED_USER_H_
