#ifndef DMFRAG_WORKER_POLICY_INTERFACE_H_
#define DMFRAG_WORKER_POLICY_INTERFACE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "worker/model/kernel_release.h"
#include "worker/model/migratetype.h"
#include "worker/model/units.h"

namespace dmfrag::policy {

// Who asks a cache for pages. A plain value.
struct CacheUser {
  // Of the mix; users whose pages may not meet have different numbers.
  uint32_t number = 0;
  // The direct map is the alias it uses (category two of the seed letter), not one that is only taken away (one).
  bool category_two = false;
  bool zeroes_new = false;    // it clears what it gets
  bool zeroes_freed = false;  // it clears what it frees
};

struct PageRequest {
  model::Order order = model::Order(0);  // up to the cache's max_order()
  model::Migratetype type = model::Migratetype::kUnmovable;
  CacheUser user = {};
  bool can_sleep = true;  // if not, no entry may be split, and nobody reclaims
};

// The direct-map entries of a page that goes from a cache to its user, or back.
enum class PageState {
  kMapped,      // present and writable, as the page allocator has it
  kNotPresent,  // and in no TLB
  kInUse,       // with the permission that its user gives it
};

struct CachedPage {
  model::FrameNumber page;
  PageState state = PageState::kMapped;
};

// Knows the live pages that a cache gave out, and who may be asked to move one.
class LiveCachedPages {
 public:
  virtual ~LiveCachedPages() = default;
  // Its user can move this page, and go on (Permission::Reach::kMovable).
  virtual bool CanMove(model::FrameNumber page) const = 0;
  // Its content, and its user, are now at `to`, which is as the cache gives out pages; `from` is as it takes them back.
  // REQUIRES: CanMove(from). False: no memory for a split; nothing has changed.
  virtual bool Move(model::FrameNumber from, model::FrameNumber to) = 0;
};

// A cache type: decides which pages users of permissions get, and keeps idle ones whose direct-map entry is already
// changed. It works on one machine, given at its making, and charges its events to the machine's current account.
//
// The driver calls, for a user of permissions: Allocate, then the user's own kernel calls as far as the page's state
// leaves any to do, and later Free, after the user has put the entry into the state that StateOnFree names. For
// ordinary traffic: DivertFree before each free, if checks_frees(). Under memory pressure: Shrink. A page is in the
// cache, with the page allocator, or with a user, never in two places. Calls come from one thread. They nest in one
// case: while the cache waits for memory, in an allocation or a split of its own, Shrink and DivertFree may be called.
class CacheType {
 public:
  virtual ~CacheType() = default;

  // Name in results: the registry's; "" for the absence of a cache.
  virtual std::string name() const = 0;

  // A block of the request's order, naturally aligned; nullopt: no memory, or none for a caller that cannot sleep.
  virtual std::optional<CachedPage> Allocate(const PageRequest& request) = 0;

  // The largest block it has. Larger ones come from the page allocator.
  virtual model::Order max_order() const { return model::Order(0); }

  // In which state it hands pages to this user; the first time, pages of a cache that keeps them kInUse are
  // kNotPresent. Constant, as the next.
  virtual PageState StateOnAllocate(const CacheUser&) const { return PageState::kMapped; }
  // In which state it wants them back.
  virtual PageState StateOnFree(const CacheUser& user) const { return StateOnAllocate(user); }

  // Takes back a block that Allocate gave to this user. REQUIRES: `is` is what StateOnFree names, or what Allocate
  // said.
  virtual void Free(model::FrameNumber block, model::Order order, const CacheUser& user, PageState is) = 0;

  // Constant: every free of the page allocator asks DivertFree.
  virtual bool checks_frees() const { return false; }

  // An ordinary block is being freed. True: the cache has taken it; false: free it to the page allocator.
  virtual bool DivertFree(model::FrameNumber, model::Order) { return false; }

  // Gives about `at_most` idle pages to the page allocator, or the next whole block; returns how many.
  virtual model::FrameCount Shrink(model::FrameCount at_most) = 0;

  // The driver asks for Shrink while the machine has fewer free pages than this. Constant.
  virtual model::FrameCount shrink_below() const { return model::FrameCount(0); }

  // Pages held and not given out. Constant time.
  virtual model::FrameCount idle_pages() const = 0;

  // Whom to ask for live pages that are in the way of a restore; null, as at first: nobody. Borrowed.
  virtual void SetLivePages(LiveCachedPages*) {}

  // Somebody, whoever it is, has got a block from the page allocator, or is about to free one.
  virtual void OnPagesChangeHands(model::FrameCount) {}

  // The release whose caches of code are in force, where that is not the kernel's own.
  virtual std::optional<model::KernelRelease> code_release() const { return std::nullopt; }

  // Errors: kInternal names what does not hold. Linear in the pages held.
  virtual absl::Status CheckInvariants() const = 0;
};

}  // namespace dmfrag::policy

#endif  // DMFRAG_WORKER_POLICY_INTERFACE_H_
