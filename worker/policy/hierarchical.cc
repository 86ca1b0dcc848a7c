#include "worker/policy/hierarchical.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace dmfrag::policy {

using model::FrameCount;
using model::FrameNumber;
using model::Order;

HierarchicalCache::HierarchicalCache(model::Machine* machine, const CacheOptions& options)
    : GroupedCache("hierarchical", machine, options,
                   {.rules = RulesFrom(options),
                    .make_idle = MakeBuddyPages,
                    .make_source = [=] { return MakeRefillSource(machine, options, SmallerOrders::kAll); }}),
      batch_(options.category_two_batch),
      high_(options.category_two_high) {}

std::optional<CachedPage> HierarchicalCache::Allocate(const PageRequest& request) {
  if (!request.user.category_two) return GroupedCache::Allocate(request);
  OwnPages& own = own_.try_emplace(request.user.number, OwnPages{.user = request.user}).first->second;
  if (!own.in_use.empty()) {
    const FrameNumber page = own.in_use.back();
    own.in_use.pop_back();
    // With its permission on it cannot be cleared in place.
    if (request.user.zeroes_new) machine().MapTemporarily(FrameCount(1));
    return CachedPage{page, PageState::kInUse};
  }
  if (own.not_present.empty() && !FetchBatch(request, own)) return std::nullopt;
  const FrameNumber page = own.not_present.front();
  if (!request.can_sleep && machine().direct_map().Lookup(page)->level != model::MapLevel::k4K) {
    ++machine().account().atomic_denials;
    return std::nullopt;
  }
  own.not_present.pop_front();
  return CachedPage{page, PageState::kNotPresent};
}

// A caller that cannot sleep takes no more than it needs, of what needs no split.
bool HierarchicalCache::FetchBatch(const PageRequest& request, OwnPages& own) {
  for (uint32_t left = request.can_sleep ? batch_ : 1; left > 0; --left) {
    const std::optional<CachedPage> page = GroupedCache::Allocate(request);
    if (!page.has_value()) break;
    own.not_present.push_back(page->page);
  }
  return !own.not_present.empty();
}

PageState HierarchicalCache::StateOnFree(const CacheUser& user) const {
  return user.category_two ? PageState::kInUse : GroupedCache::StateOnFree(user);
}

void HierarchicalCache::Free(FrameNumber block, Order order, const CacheUser& user, PageState is) {
  if (!user.category_two) return GroupedCache::Free(block, order, user, is);
  OwnPages& own = own_.at(user.number);
  (is == PageState::kInUse ? own.in_use : own.not_present).push_back(block);
  if (own.count() >= high_) ReturnTo(own, batch_);
}

FrameCount HierarchicalCache::ReturnTo(OwnPages& own, size_t pages) {
  FrameCount changed;
  FrameCount returned;
  for (; returned.raw() < pages && own.count() > 0; returned += FrameCount(1)) {
    std::deque<FrameNumber>& from = own.in_use.empty() ? own.not_present : own.in_use;
    const FrameNumber page = from.front();
    if (&from == &own.in_use) {
      // Its entry is its own, since it has a permission of its own: nothing is split.
      machine().Change(
          {.range = {page, page + FrameCount(1)}, .clear = model::EntryFlags::AllButNoExecute(), .flush = false});
      changed += FrameCount(1);
    }
    from.pop_front();
    GroupedCache::Free(page, Order(0), own.user, PageState::kNotPresent);
  }
  // One flush for all of them, before anybody can ask for one.
  if (changed > FrameCount(0)) machine().FlushTlbKernelRange(changed);
  machine().account().pages_returned += static_cast<int64_t>(returned.raw());
  return returned;
}

// The longest list of category two first, so that the global cache has something to give.
FrameCount HierarchicalCache::Shrink(FrameCount at_most) {
  if (GroupedCache::idle_pages() < at_most) {
    OwnPages* longest = nullptr;
    for (auto& [number, own] : own_) {
      if (longest == nullptr || own.count() > longest->count()) longest = &own;
    }
    if (longest != nullptr) ReturnTo(*longest, at_most.raw());
  }
  return GroupedCache::Shrink(at_most);
}

FrameCount HierarchicalCache::idle_pages() const {
  FrameCount idle = GroupedCache::idle_pages();
  for (const auto& [number, own] : own_) idle += FrameCount(own.count());
  return idle;
}

absl::Status HierarchicalCache::CheckInvariants() const {
  for (const auto& [number, own] : own_) {
    for (const FrameNumber page : own.not_present) {
      if (!machine().direct_map().Lookup(page)->flags.Has(model::EntryFlags::kPresent)) continue;
      return absl::InternalError(absl::StrCat("cache hierarchical: idle page ", page.raw(), " is present"));
    }
  }
  return GroupedCache::CheckInvariants();
}

}  // namespace dmfrag::policy
