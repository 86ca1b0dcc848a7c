#ifndef DMFRAG_WORKER_POLICY_INTERFACE_H_
#define DMFRAG_WORKER_POLICY_INTERFACE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "worker/model/migratetype.h"
#include "worker/model/units.h"

namespace dmfrag::policy {

// What a user of permissions asks a cache for: one page whose direct-map entry it is going to change.
struct PageRequest {
  model::Migratetype type = model::Migratetype::kUnmovable;
};

// A cache type: decides which pages users of permissions get, and keeps idle ones whose direct-map entry is already 4K.
// It works on one machine, given at its making, and charges its events to the machine's current account.
//
// The driver calls, for a user of permissions: Allocate, then the user's own kernel calls, and later Free, after the
// user has put the direct-map entry back. For ordinary traffic: DivertFree before each order-0 free, if
// diverts_frees(). Under memory pressure: Shrink. A page is in the cache, with the page allocator, or with a user,
// never in two places. Calls come from one thread. They nest in one case: while the cache waits for memory, in an
// allocation or a split of its own, Shrink and DivertFree may be called. Implementations allocate no memory of the host
// per page.
class CacheType {
 public:
  virtual ~CacheType() = default;

  // Name in results: the registry's; "" for the absence of a cache.
  virtual std::string name() const = 0;

  // The face that a user of the mix gets, by its index: this one, where all share one cache. It lives as long as this
  // object; what Allocate of one face gave, Free of the same face takes back, and all else is this object's own.
  virtual CacheType& ForUser(uint32_t /*user*/) { return *this; }

  // An order-0 page, present and writable; nullopt: no memory.
  virtual std::optional<model::FrameNumber> Allocate(const PageRequest& request) = 0;

  // Takes back a page that Allocate gave. REQUIRES: it is present and writable again.
  virtual void Free(model::FrameNumber frame) = 0;

  // Constant over the cache's life: DivertFree can return true.
  virtual bool diverts_frees() const { return false; }

  // An ordinary order-0 page is being freed. True: the cache has taken it; false: free it to the page allocator.
  virtual bool DivertFree(model::FrameNumber) { return false; }

  // Gives up to `at_most` idle pages to the page allocator; returns how many.
  virtual model::FrameCount Shrink(model::FrameCount at_most) = 0;

  // The driver asks for Shrink while the machine has fewer free pages than this. Constant over the cache's life.
  virtual model::FrameCount shrink_below() const = 0;

  // Pages held and not given out.
  virtual model::FrameCount idle_pages() const = 0;

  // Errors: kInternal names what does not hold. Linear in the pages held.
  virtual absl::Status CheckInvariants() const = 0;
};

}  // namespace dmfrag::policy

#endif  // DMFRAG_WORKER_POLICY_INTERFACE_H_
