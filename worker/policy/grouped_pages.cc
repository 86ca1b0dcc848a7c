#include "worker/policy/grouped_pages.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/check.h"

namespace dmfrag::policy {

using model::CpaOutcome;
using model::EntryFlags;
using model::FrameCount;
using model::FrameNumber;
using model::FrameRange;
using model::kFramesPer2M;
using model::kPageblockOrder;
using model::MapLevel;
using model::Order;
using Entry = CacheOptions::Entry;
using Restore = CacheOptions::Restore;

namespace {

FrameRange Single(FrameNumber page) { return {page, page + model::kFramesPer4K}; }
FrameRange Whole(FrameNumber block) { return {block, block + kFramesPer2M}; }
size_t IndexOf(FrameNumber page) { return page.raw() % 512; }

template <typename Visit>
void ForEachPage(FrameRange pages, const Visit& visit) {
  for (FrameNumber page = pages.first; page < pages.end; page = page + FrameCount(1)) visit(page);
}

}  // namespace

GroupedPages::GroupedPages(model::Machine* machine, std::unique_ptr<IdlePages> idle,
                           std::unique_ptr<BlockSource> source, const Rules& rules)
    : machine_(machine), idle_(std::move(idle)), source_(std::move(source)), rules_(rules) {}

PageState GroupedPages::state() const {
  const bool not_present = rules_.entry == Entry::kNotPresent || rules_.entry == Entry::kNotPresent2M;
  return not_present ? PageState::kNotPresent : PageState::kMapped;
}

// Taking.

std::optional<FrameNumber> GroupedPages::Take(const PageRequest& request) {
  std::optional<FrameNumber> page = TakeIdle(request);
  if (!page.has_value()) page = request.can_sleep ? Refill(request) : TakeOnAtomicMiss(request);
  if (page.has_value()) HandOver({*page, *page + request.order.frames()}, request.user);
  return page;
}

std::optional<FrameNumber> GroupedPages::TakeIdle(const PageRequest& request) {
  const std::optional<FrameNumber> page = idle_->Take(request.order);
  if (!page.has_value()) return std::nullopt;
  const FrameRange pages{*page, *page + request.order.frames()};
  CountTaken(pages);
  if (request.can_sleep || NeedsNoSplit(*page, request.user)) return page;
  AddIdle(pages);
  return std::nullopt;
}

std::optional<FrameNumber> GroupedPages::TakeOnAtomicMiss(const PageRequest& request) {
  if (rules_.atomic_miss == CacheOptions::AtomicMiss::kReserve && !reserve_.empty()) {
    const FrameNumber page = reserve_.front();
    reserve_.pop_front();
    return page;
  }
  if (rules_.atomic_miss == CacheOptions::AtomicMiss::kSinglePage && request.order == Order(0)) {
    const std::optional<FrameNumber> page = machine_->allocator().Allocate(Order(0), request.type);
    if (page.has_value() && IsMappedBy4K(*page) && MakeCached(Single(*page))) {
      Own(Single(*page), kNobody);
      return page;
    }
    if (page.has_value()) machine_->allocator().Free(*page, Order(0));
  }
  ++machine_->account().atomic_denials;
  return std::nullopt;
}

std::optional<FrameNumber> GroupedPages::Refill(const PageRequest& request) {
  ++machine_->account().refills;
  const std::vector<FrameRange> runs = source_->Take(request.order, request.type);
  if (runs.empty()) return std::nullopt;
  const FrameRange wanted{runs.front().first, runs.front().first + request.order.frames()};
  for (size_t made = 0; made < runs.size(); ++made) {
    if (MakeCached(made == 0 && rules_.draft_refill_defect ? wanted : runs[made])) continue;
    for (size_t i = 0; i < made; ++i) CHECK(MakeMapped(runs[i]));  // entries as they were before: no split
    GiveUpRefill(runs);
    return std::nullopt;
  }
  for (const FrameRange& run : runs) Own(run, kNobody);
  AddIdle({wanted.end, runs.front().end});
  for (size_t i = 1; i < runs.size(); ++i) AddIdle(runs[i]);
  FillReserve();
  return wanted.first;
}

void GroupedPages::GiveUpRefill(const std::vector<FrameRange>& runs) {
  for (const FrameRange& run : runs) {
    ForEachPage(run, [this](FrameNumber page) { machine_->allocator().Free(page, Order(0)); });
  }
}

void GroupedPages::FillReserve() {
  while (rules_.atomic_miss == CacheOptions::AtomicMiss::kReserve && reserve_.size() < rules_.atomic_reserve_pages) {
    const std::optional<FrameNumber> page = idle_->Take(Order(0));
    if (!page.has_value()) return;
    CountTaken(Single(*page));  // before the split, which may ask for Shrink
    if (!IsMappedBy4K(*page) && machine_->SetMemory4K(Single(*page)) != CpaOutcome::kDone) {
      AddIdle(Single(*page));
      return;
    }
    reserve_.push_back(*page);
  }
}

// Coming back.

void GroupedPages::Put(FrameNumber first, Order order, const CacheUser& user) {
  const FrameRange pages{first, first + order.frames()};
  // Whoever clears a page that is not present has to map it for that.
  if (user.zeroes_freed && state() == PageState::kNotPresent) machine_->MapTemporarily(order.frames());
  Block& block = BlockOf(first);
  ForEachPage(pages,
              [&](FrameNumber page) { block.owners[IndexOf(page)] = user.zeroes_freed ? kNobody : OwnerOf(user); });
  block.is_stuck = false;
  AddIdle(pages);
  RestoreSpareBlock(first.AlignedDown(kFramesPer2M));
}

bool GroupedPages::Adopt(FrameNumber page, bool was_used) {
  if (!MakeCached(Single(page))) return false;
  Own(Single(page), was_used ? kOrdinary : kNobody);
  AddIdle(Single(page));
  RestoreSpareBlock(page.AlignedDown(kFramesPer2M));
  return true;
}

void GroupedPages::Escape(FrameNumber page) {
  ++machine_->account().pages_escaped;
  Disown(Single(page));
  machine_->allocator().Free(page, Order(0));
}

// Entries.

bool GroupedPages::MakeCached(FrameRange pages) {
  switch (rules_.entry) {
    case Entry::kMapped:
      return true;
    case Entry::kRw4K:
      return machine_->SetMemory4K(pages) == CpaOutcome::kDone;
    case Entry::kNotPresent:
      return MakeNotPresent(pages, FrameCount(1));
    case Entry::kNotPresent2M:
      return MakeNotPresent(pages, pages.count());
  }
  return false;
}

bool GroupedPages::MakeNotPresent(FrameRange pages, FrameCount at_once) {
  for (FrameNumber page = pages.first; page < pages.end; page = page + at_once) {
    if (machine_->SetDirectMapInvalidNoflush(page, at_once) == CpaOutcome::kDone) continue;
    machine_->SetDirectMapDefaultNoflush(pages.first, pages.count());  // what has changed has entries of its own
    return false;
  }
  machine_->FlushTlbKernelRange(pages.count());
  return true;
}

bool GroupedPages::MakeMapped(FrameRange pages) {
  if (state() == PageState::kMapped) return true;
  return machine_->SetDirectMapDefaultNoflush(pages.first, pages.count()) == CpaOutcome::kDone;
}

bool GroupedPages::IsMappedBy4K(FrameNumber page) const {
  return machine_->direct_map().Lookup(page)->level == MapLevel::k4K;
}

bool GroupedPages::NeedsNoSplit(FrameNumber page, const CacheUser& user) const {
  return IsMappedBy4K(page) || (state() == PageState::kNotPresent && !user.category_two);
}

bool GroupedPages::IsAsCached(FrameNumber page) const {
  const std::optional<model::DirectMap::Leaf> leaf = machine_->direct_map().Lookup(page);
  if (!leaf.has_value() || (rules_.entry == Entry::kRw4K && leaf->level != MapLevel::k4K)) return false;
  const bool is_mapped = leaf->flags.Has(EntryFlags::kPresent) && leaf->flags.Has(EntryFlags::kWritable);
  if (state() == PageState::kMapped) return is_mapped;
  return !leaf->flags.Has(EntryFlags::kPresent) || (is_mapped && rules_.draft_refill_defect);
}

// Books.

void GroupedPages::Own(FrameRange pages, Owner owner) {
  if (pages.empty()) return;
  if (rules_.pageblock_mark != 0) machine_->allocator().SetPageblockMark(pages.first, rules_.pageblock_mark);
  Block& block = BlockOf(pages.first);
  ForEachPage(pages, [&](FrameNumber page) {
    block.owned.set(IndexOf(page));
    block.owners[IndexOf(page)] = owner;
  });
}

void GroupedPages::Disown(FrameRange pages) {
  const auto found = blocks_.find(pages.first.AlignedDown(kFramesPer2M));
  ForEachPage(pages, [&](FrameNumber page) { found->second.owned.reset(IndexOf(page)); });
  if (found->second.owned.none()) blocks_.erase(found);
}

bool GroupedPages::Owns(FrameNumber page) const {
  const auto found = blocks_.find(page.AlignedDown(kFramesPer2M));
  return found != blocks_.end() && found->second.owned.test(IndexOf(page));
}

void GroupedPages::AddIdle(FrameRange pages) {
  if (pages.empty()) return;
  idle_->Add(pages);
  Block& block = BlockOf(pages.first);
  ForEachPage(pages, [&](FrameNumber page) { block.idle.set(IndexOf(page)); });
  if (block.IsWhole()) ++whole_blocks_;
}

void GroupedPages::CountTaken(FrameRange pages) {
  Block& block = BlockOf(pages.first);
  if (block.IsWhole()) --whole_blocks_;
  ForEachPage(pages, [&](FrameNumber page) { block.idle.reset(IndexOf(page)); });
}

GroupedPages::Pages GroupedPages::TakeAllOf(FrameNumber first) {
  Pages pages;
  idle_->TakeAllOf(first, [&](FrameNumber page) { pages.push_back(page); });
  Block& block = BlockOf(first);
  if (block.IsWhole()) --whole_blocks_;
  block.idle.reset();
  return pages;
}

void GroupedPages::HandOver(FrameRange pages, const CacheUser& user) {
  if (user.zeroes_new && state() == PageState::kNotPresent) machine_->MapTemporarily(pages.count());
  Block& block = BlockOf(pages.first);
  ForEachPage(pages, [&](FrameNumber page) {
    Owner& owner = block.owners[IndexOf(page)];
    if (!user.zeroes_new && owner != kNobody && owner != OwnerOf(user)) ++machine_->account().pages_leaked;
    owner = OwnerOf(user);
  });
}

// Pages that were mapped all the time go back with their data, as all freed pages do.
void GroupedPages::ClearOrLeak(FrameRange pages) {
  if (rules_.zeroes_on_return) {
    machine_->account().cache_pages_zeroed += static_cast<int64_t>(pages.count().raw());
    return;
  }
  if (state() == PageState::kMapped) return;
  const Block& block = BlockOf(pages.first);
  ForEachPage(pages, [&](FrameNumber page) {
    if (block.owners[IndexOf(page)] != kNobody) ++machine_->account().pages_leaked;
  });
}

// Going back.

FrameCount GroupedPages::Shrink(FrameCount at_most, LiveCachedPages* live) {
  FrameCount given;
  if (rules_.restore == Restore::kOnShrink) {
    while (given < at_most && CompactAndGiveBack(live)) given += kFramesPer2M;
  }
  while (given < at_most) {
    const std::optional<PageBlock> block = idle_->TakeLeastWanted();
    if (!block.has_value()) break;
    const FrameCount pages = block->order.frames();
    CountTaken({block->first, block->first + pages});
    if (!GiveBack(*block)) break;
    given += pages;
  }
  machine_->account().shrunk_pages += static_cast<int64_t>(given.raw());
  return given;
}

bool GroupedPages::GiveBack(PageBlock block) {
  if (block.order == kPageblockOrder) {
    // With kOnCoalesce whoever watches the page allocator restores it, once it lies there.
    return GiveBackWhole(block.first, rules_.restore == Restore::kOnShrink || rules_.restore == Restore::kCollapse);
  }
  const FrameRange pages{block.first, block.first + block.order.frames()};
  if (!MakeMapped(pages)) {
    AddIdle(pages);
    return false;
  }
  ClearOrLeak(pages);
  Disown(pages);
  machine_->allocator().JoinAllocated(block.first, block.order);
  machine_->allocator().Free(block.first, block.order);
  return true;
}

bool GroupedPages::GiveBackWhole(FrameNumber block, bool restore) {
  const FrameRange pages = Whole(block);
  if (!MakeMapped(pages)) {
    AddIdle(pages);
    return false;
  }
  if (restore && IsMappedBy4K(block)) {
    machine_->ClearKernel4K(pages);
    const bool restored = machine_->Collapse(pages) > 0;
    ++(restored ? machine_->account().blocks_restored : machine_->account().restores_blocked);
  } else if (!IsMappedBy4K(block) && rules_.entry == Entry::kNotPresent2M) {
    ++machine_->account().blocks_restored;
  }
  ClearOrLeak(pages);
  Disown(pages);
  if (rules_.pageblock_mark != 0) machine_->allocator().SetPageblockMark(block, 0);
  machine_->allocator().JoinAllocated(block, kPageblockOrder);
  machine_->allocator().Free(block, kPageblockOrder);
  return true;
}

// The explicit call of an owner of a whole block. What cannot be restored is of more use in the cache.
void GroupedPages::RestoreSpareBlock(FrameNumber first) {
  if (rules_.restore != Restore::kCollapse || whole_blocks_ <= rules_.idle_blocks_kept) return;
  Block& block = BlockOf(first);
  if (!block.IsWhole() || block.is_stuck) return;
  if (state() == PageState::kMapped && IsMappedBy4K(first)) {
    machine_->ClearKernel4K(Whole(first));
    if (!machine_->CanCollapse(first)) {
      block.is_stuck = true;
      ++machine_->account().restores_blocked;
      return;
    }
  }
  TakeAllOf(first);
  GiveBackWhole(first, /*restore=*/true);
}

bool GroupedPages::CompactAndGiveBack(LiveCachedPages* live) {
  const std::optional<FrameNumber> block = EasiestToEmpty(live);
  return block.has_value() && Empty(*block, live) && GiveBackWhole(*block, /*restore=*/true);
}

std::optional<FrameNumber> GroupedPages::EasiestToEmpty(const LiveCachedPages* live) {
  // To move more than half of a block is not worth it: a guess.
  size_t most_idle = 255;
  std::optional<FrameNumber> best;
  for (auto& [first, block] : blocks_) {
    const size_t idle = block.idle.count();
    if (idle <= most_idle || block.is_stuck) continue;
    if (!CanEmpty(first, block, live)) {
      block.is_stuck = true;
      ++machine_->account().restores_blocked;
      continue;
    }
    best = first;
    most_idle = idle;
  }
  return best;
}

bool GroupedPages::CanEmpty(FrameNumber first, const Block& block, const LiveCachedPages* live) const {
  if (!block.owned.all()) return false;
  const std::bitset<512> in_use = ~block.idle;
  if (in_use.none()) return true;
  if (live == nullptr || idle_->count().raw() - block.idle.count() < in_use.count()) return false;
  for (size_t i = 0; i < in_use.size(); ++i) {
    if (in_use.test(i) && !live->CanMove(first + FrameCount(i))) return false;
  }
  return true;
}

bool GroupedPages::Empty(FrameNumber first, LiveCachedPages* live) {
  const std::bitset<512> in_use = ~BlockOf(first).idle;
  Pages taken = TakeAllOf(first);
  for (size_t i = 0; i < in_use.size(); ++i) {
    const FrameNumber page = first + FrameCount(i);
    if (!in_use.test(i)) continue;
    if (!MoveAway(page, live)) {
      for (const FrameNumber back : taken) AddIdle(Single(back));
      return false;
    }
    taken.push_back(page);
  }
  return true;
}

bool GroupedPages::MoveAway(FrameNumber page, LiveCachedPages* live) {
  const std::optional<FrameNumber> to = idle_->Take(Order(0));
  if (!to.has_value()) return false;
  CountTaken(Single(*to));  // before the move, which may ask for Shrink
  if (!live->Move(page, *to)) {
    AddIdle(Single(*to));
    return false;
  }
  BlockOf(*to).owners[IndexOf(*to)] = BlockOf(page).owners[IndexOf(page)];
  ++machine_->account().cache_pages_migrated;
  return true;
}

absl::Status GroupedPages::CheckInvariants() const {
  std::map<FrameNumber, uint64_t> idle_of;
  absl::Status status = absl::OkStatus();
  const auto check = [&](FrameNumber page, bool is_idle) {
    if (status.ok() && (!Owns(page) || !IsAsCached(page))) {
      status = absl::InternalError(
          absl::StrCat("cache: idle page ", page.raw(), " is not owned, or its entry is not that of a cached page"));
    }
    if (is_idle) ++idle_of[page.AlignedDown(kFramesPer2M)];
  };
  idle_->ForEach([&](FrameNumber page) { check(page, /*is_idle=*/true); });
  for (const FrameNumber page : reserve_) check(page, /*is_idle=*/false);
  uint32_t whole = 0;
  for (const auto& [first, block] : blocks_) {
    if (status.ok() && block.idle.count() != idle_of[first]) {
      status = absl::InternalError(absl::StrCat("cache: block ", first.raw(), " counts ", block.idle.count(),
                                                " idle pages, but has ", idle_of[first]));
    }
    whole += block.IsWhole() ? 1 : 0;
  }
  if (status.ok() && whole != whole_blocks_) {
    status = absl::InternalError(absl::StrCat("cache: ", whole, " blocks are whole, but ", whole_blocks_, " counted"));
  }
  return status;
}

}  // namespace dmfrag::policy
