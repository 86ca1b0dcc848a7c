#include "worker/model/zone.h"

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/check.h"

namespace dmfrag::model {
namespace {

constexpr FrameCount kMaxBlock = kMaxOrder.frames();

// Which types lend to which, in order (domain 5.2).
constexpr std::array<std::array<Migratetype, 2>, kMigratetypes> kFallbacks = {{
    {Migratetype::kReclaimable, Migratetype::kMovable},
    {Migratetype::kReclaimable, Migratetype::kUnmovable},
    {Migratetype::kUnmovable, Migratetype::kMovable},
}};

const std::array<Migratetype, 2>& FallbacksOf(Migratetype type) { return kFallbacks[static_cast<unsigned>(type)]; }

// An allocation of `type` that finds a free block of `found` may claim the pageblock.
bool MayClaim(Order found, Migratetype type) {
  return found.raw() >= kPageblockOrder.raw() / 2 || type != Migratetype::kMovable;
}

Order LeastOrder(Order order, Zone::Fragmentation fragmentation) {
  return fragmentation == Zone::Fragmentation::kAvoided ? std::max(order, kPageblockOrder) : order;
}

}  // namespace

void Zone::AddBootMemory(FrameRange range) {
  managed_ += range.count();
  free_ += range.count();
  FrameNumber frame = range.first;
  while (frame < range.end) {
    const FrameNumber whole_end = range.end.AlignedDown(kMaxBlock);
    if (frame.IsAligned(kMaxBlock) && frame < whole_end) {
      untouched_.push_back({frame, whole_end});
      untouched_blocks_ += (whole_end - frame).raw() / kMaxBlock.raw();
      nonempty_[static_cast<unsigned>(Migratetype::kMovable)] |= uint16_t{1} << kMaxOrder.raw();
      frame = whole_end;
      continue;
    }
    unsigned order = std::min<unsigned>(kMaxOrder.raw(), std::countr_zero(frame.raw()));
    while (frame + Order(order).frames() > range.end) --order;
    AddToList(table_->Touch(frame), Order(order), Migratetype::kMovable, /*to_tail=*/true);
    frame = frame + Order(order).frames();
  }
}

void Zone::Restore(FrameCount managed, const std::vector<BlockList>& free, bool unknown_frames) {
  managed_ = managed;
  unknown_frames_ = unknown_frames;
  for (const BlockList& list : free) {
    for (FrameNumber block : list.blocks) {
      AddToList(table_->IndexOf(block), list.order, list.type, /*to_tail=*/true);
      free_ += list.order.frames();
    }
  }
}

bool Zone::Take(FrameIndex block, Order order) {
  for (unsigned found = order.raw(); found <= kMaxOrder.raw(); ++found) {
    FrameIndex head = block & ~((FrameIndex{1} << found) - 1);
    const FrameRecord& record = table_->record(head);
    if (record.state != FrameState::kFree || record.order != found) continue;
    const Migratetype type = record.type;
    RemoveFromList(head);
    while (found > order.raw()) {
      --found;
      const FrameIndex upper = head + (FrameIndex{1} << found);
      AddToList(block < upper ? upper : head, Order(found), type, /*to_tail=*/false);
      if (block >= upper) head = upper;
    }
    free_ -= order.frames();
    return true;
  }
  return false;
}

std::optional<FrameNumber> Zone::LowestListed(FrameRange range, Order order) const {
  const FrameNumber from = range.first.AlignedUp(order.frames());
  FrameNumber lowest = range.end;
  for (unsigned found = order.raw(); found < kOrders; ++found) {
    for (const FrameList& blocks : lists_[found]) {
      for (FrameIndex i = blocks.head(); i != kNoFrameIndex; i = table_->record(i).next) {
        const FrameNumber block = table_->FrameOf(i);
        const FrameNumber first = std::max(block, from);
        if (first < lowest && first + order.frames() <= std::min(block + Order(found).frames(), range.end)) {
          lowest = first;
        }
      }
    }
  }
  return lowest < range.end ? std::optional(lowest) : std::nullopt;
}

std::optional<FrameNumber> Zone::LowestRecorded(FrameRange range, Order order) const {
  const FrameCount section(FrameTable::kSectionFrames);
  const auto is_free = [&](FrameIndex index) {
    for (unsigned found = order.raw(); found < kOrders; ++found) {
      const FrameRecord& record = table_->record(index & ~((FrameIndex{1} << found) - 1));
      if (record.state == FrameState::kFree && record.order == found) return true;
    }
    return false;
  };
  FrameNumber frame = range.first.AlignedUp(order.frames());
  while (frame + order.frames() <= range.end) {
    if (!table_->IsTouched(frame)) {
      frame = (frame + section).AlignedDown(section);
      continue;
    }
    if (is_free(table_->IndexOf(frame))) return frame;
    frame = frame + order.frames();
  }
  return std::nullopt;
}

std::optional<FrameNumber> Zone::LowestUntouched(FrameRange range, Order order) const {
  const FrameNumber from = range.first.AlignedUp(order.frames());
  const auto part = std::partition_point(untouched_.begin(), untouched_.end(),
                                         [&](const FrameRange& untouched) { return untouched.end <= from; });
  if (part == untouched_.end()) return std::nullopt;
  const FrameNumber first = std::max(part->first, from);
  return first + order.frames() <= range.end ? std::optional(first) : std::nullopt;
}

void Zone::ListUntouched(FrameNumber first) {
  auto part = std::partition_point(untouched_.begin(), untouched_.end(),
                                   [&](const FrameRange& untouched) { return untouched.end <= first; });
  const FrameRange above{first + kMaxBlock, part->end};
  part->end = first;
  if (!above.empty()) part = untouched_.insert(part + 1, above) - 1;
  if (part->empty()) untouched_.erase(part);
  --untouched_blocks_;
  AddToList(table_->Touch(first), kMaxOrder, Migratetype::kMovable, /*to_tail=*/true);
}

FrameIndex Zone::TakeLowest(FrameRange range, Order order, Migratetype type) {
  uint64_t listed = 0;
  for (unsigned found = order.raw(); found < kOrders; ++found) {
    for (const FrameList& blocks : lists_[found]) listed += blocks.size();
  }
  // A step along a list is a jump through memory, a step from record to record mostly is none.
  constexpr uint64_t kJump = 4;
  const std::optional<FrameNumber> untouched = LowestUntouched(range, order);
  const FrameRange below{range.first, untouched.value_or(range.end)};
  std::optional<FrameNumber> lowest;
  if (listed > 0 && !below.empty()) {
    const uint64_t candidates = below.count().raw() >> order.raw();
    lowest = listed * kJump < candidates ? LowestListed(below, order) : LowestRecorded(below, order);
  }
  if (!lowest.has_value()) {
    if (!untouched.has_value()) return kNoFrameIndex;
    lowest = untouched;
    ListUntouched(lowest->AlignedDown(kMaxBlock));
  }
  const FrameIndex block = table_->IndexOf(*lowest);
  Take(block, order);
  if (order >= kPageblockOrder) SetBlockTypes(block, order, type);
  return block;
}

std::vector<BlockList> Zone::Lists() const {
  std::vector<BlockList> lists;
  for (unsigned order = 0; order < kOrders; ++order) {
    for (unsigned type = 0; type < kMigratetypes; ++type) {
      if (!HasBlock(Order(order), static_cast<Migratetype>(type))) continue;
      BlockList& out = lists.emplace_back(BlockList{Order(order), static_cast<Migratetype>(type), {}});
      for (FrameIndex i = lists_[order][type].head(); i != kNoFrameIndex; i = table_->record(i).next) {
        out.blocks.push_back(table_->FrameOf(i));
      }
      if (Order(order) != kMaxOrder || out.type != Migratetype::kMovable) continue;
      for (const FrameRange& range : untouched_) {
        for (FrameNumber block = range.first; block < range.end; block = block + kMaxBlock) out.blocks.push_back(block);
      }
    }
  }
  return lists;
}

bool Zone::HasBlock(Order order, Migratetype type) const {
  return (nonempty_[static_cast<unsigned>(type)] >> order.raw() & 1) != 0;
}

uint64_t Zone::FreeBlocks(Order order, Migratetype type) const {
  const bool with_untouched = order == kMaxOrder && type == Migratetype::kMovable;
  return list(order, type).size() + (with_untouched ? untouched_blocks_ : 0);
}

void Zone::AddToList(FrameIndex block, Order order, Migratetype type, bool to_tail) {
  FrameRecord& record = table_->record(block);
  record.state = FrameState::kFree;
  record.order = static_cast<uint8_t>(order.raw());
  record.type = type;
  ++locked_work_.list_blocks;
  FrameList& target = list(order, type);
  if (to_tail) {
    target.PushTail(*table_, block);
  } else {
    target.PushHead(*table_, block);
  }
  nonempty_[static_cast<unsigned>(type)] |= static_cast<uint16_t>(1u << order.raw());
}

void Zone::RemoveFromList(FrameIndex block) {
  FrameRecord& record = table_->record(block);
  const Order order(record.order);
  ++locked_work_.list_blocks;
  list(order, record.type).Remove(*table_, block);
  record.state = FrameState::kNone;
  if (FreeBlocks(order, record.type) == 0) {
    nonempty_[static_cast<unsigned>(record.type)] &= static_cast<uint16_t>(~(1u << order.raw()));
  }
}

FrameIndex Zone::TakeFirst(Order order, Migratetype type) {
  const FrameList& from = list(order, type);
  if (from.empty()) return TakeUntouched();
  const FrameIndex block = from.head();
  RemoveFromList(block);
  return block;
}

FrameIndex Zone::TakeUntouched() {
  FrameRange& range = untouched_.front();
  const FrameIndex block = table_->Touch(range.first);
  range.first = range.first + kMaxBlock;
  ++locked_work_.list_blocks;
  if (range.empty()) untouched_.pop_front();
  if (--untouched_blocks_ == 0 && list(kMaxOrder, Migratetype::kMovable).empty()) {
    nonempty_[static_cast<unsigned>(Migratetype::kMovable)] &= static_cast<uint16_t>(~(1u << kMaxOrder.raw()));
  }
  return block;
}

void Zone::Expand(FrameIndex block, Order from, Order to, Migratetype type) {
  for (unsigned order = from.raw(); order > to.raw();) {
    --order;
    AddToList(block + (FrameIndex{1} << order), Order(order), type, /*to_tail=*/false);
  }
}

FrameIndex Zone::RemoveNext(Order order, Migratetype type, Fragmentation fragmentation, Run* run) {
  FrameIndex block = *run == Run::kStealing ? kNoFrameIndex : RemoveSmallest(order, type);
  if (block == kNoFrameIndex && !rules_.steal_from_smallest) block = FallBack(order, type, fragmentation);
  if (block == kNoFrameIndex && rules_.steal_from_smallest) {
    if (*run == Run::kFromLists) block = Claim(order, type, fragmentation);
    if (block == kNoFrameIndex && fragmentation == Fragmentation::kAllowed) {
      block = Steal(order, type);
      *run = Run::kStealing;
    }
  }
  if (block != kNoFrameIndex) free_ -= order.frames();
  return block;
}

FrameIndex Zone::RemoveSmallest(Order order, Migratetype type) {
  const unsigned orders = nonempty_[static_cast<unsigned>(type)] >> order.raw();
  if (orders == 0) return kNoFrameIndex;
  const Order found(order.raw() + static_cast<unsigned>(std::countr_zero(orders)));
  const FrameIndex block = TakeFirst(found, type);
  Expand(block, found, order, type);
  return block;
}

std::optional<Migratetype> Zone::FallbackWith(Order found, Migratetype type) const {
  for (Migratetype fallback : FallbacksOf(type)) {
    if (HasBlock(found, fallback)) return fallback;
  }
  return std::nullopt;
}

FrameIndex Zone::Claim(Order order, Migratetype type, Fragmentation fragmentation) {
  for (unsigned i = kMaxOrder.raw() + 1; i-- > LeastOrder(order, fragmentation).raw();) {
    const Order found(i);
    const std::optional<Migratetype> fallback = FallbackWith(found, type);
    if (!fallback.has_value()) continue;
    if (!MayClaim(found, type)) return kNoFrameIndex;
    if (found >= kPageblockOrder) return ClaimWhole(found, order, type, *fallback);
    if (ClaimPart(list(found, *fallback).head(), type)) return RemoveSmallest(order, type);
  }
  return kNoFrameIndex;
}

FrameIndex Zone::Steal(Order order, Migratetype type) {
  for (unsigned found = order.raw(); found <= kMaxOrder.raw(); ++found) {
    const std::optional<Migratetype> fallback = FallbackWith(Order(found), type);
    if (fallback.has_value()) return TakeOne(Order(found), order, type, *fallback);
  }
  return kNoFrameIndex;
}

FrameIndex Zone::FallBack(Order order, Migratetype type, Fragmentation fragmentation) {
  for (unsigned i = kMaxOrder.raw() + 1; i-- > LeastOrder(order, fragmentation).raw();) {
    const Order found(i);
    const std::optional<Migratetype> fallback = FallbackWith(found, type);
    if (!fallback.has_value()) continue;
    // Movable pages in a foreign block do no lasting harm, so that a large one need not be broken for them.
    if (!MayClaim(found, type)) return Steal(order, type);
    return ClaimOrTakeOne(found, order, type, *fallback);
  }
  return kNoFrameIndex;
}

FrameIndex Zone::ClaimOrTakeOne(Order found, Order order, Migratetype type, Migratetype fallback) {
  if (found >= kPageblockOrder) return ClaimWhole(found, order, type, fallback);
  const FrameIndex block = list(found, fallback).head();
  if (ClaimPart(block, type) || !rules_.lists_follow_blocks) return RemoveSmallest(order, type);
  return TakeOne(found, order, type, fallback);
}

FrameIndex Zone::ClaimWhole(Order found, Order order, Migratetype type, Migratetype fallback) {
  const FrameIndex block = TakeFirst(found, fallback);
  SetBlockTypes(block, found, type);
  Expand(block, found, order, type);
  return block;
}

FrameIndex Zone::TakeOne(Order found, Order order, Migratetype type, Migratetype fallback) {
  const FrameIndex block = TakeFirst(found, fallback);
  // What is left over keeps its list, or, before the lists followed the blocks, goes along with the page.
  Expand(block, found, order, rules_.lists_follow_blocks ? fallback : type);
  return block;
}

bool Zone::ClaimPart(FrameIndex block, Migratetype type) {
  const FrameIndex first = block & ~static_cast<FrameIndex>(kFramesPer2M.raw() - 1);
  const bool worth = WorthClaiming(first, type);
  if (worth || !rules_.lists_follow_blocks) MoveFreePages(first, type);
  if (worth) table_->block_type(first) = type;
  return worth;
}

// Half of the block must be free or of a kind that gets on with `type`.
bool Zone::WorthClaiming(FrameIndex block, Migratetype type) const {
  const uint64_t half = kFramesPer2M.raw() / 2;
  const bool is_movable = table_->block_type(block) == Migratetype::kMovable;
  if (type != Migratetype::kMovable && is_movable && !unknown_frames_) {
    // All that is not given out as movable: the common question, since users of permissions ask it for every page once
    // memory is full.
    return kFramesPer2M.raw() - table_->movable_frames(block) >= half;
  }
  uint64_t free = 0;
  uint64_t unknown = 0;
  for (FrameIndex i = 0; i < kFramesPer2M.raw();) {
    const FrameRecord& record = table_->record(block + i);
    const FrameIndex size = record.state == FrameState::kNone ? 1 : FrameIndex{1} << record.order;
    if (record.state == FrameState::kFree) free += size;
    if (record.state == FrameState::kNone) ++unknown;
    i += size;
  }
  const uint64_t movable = table_->movable_frames(block) + (unknown_frames_ && is_movable ? unknown : 0);
  if (type == Migratetype::kMovable) return free + movable >= half;
  return (is_movable ? kFramesPer2M.raw() - movable : free) >= half;
}

void Zone::MoveFreePages(FrameIndex block, Migratetype type) {
  for (FrameIndex i = 0; i < kFramesPer2M.raw();) {
    const FrameRecord& record = table_->record(block + i);
    const FrameIndex size = record.state == FrameState::kNone ? 1 : FrameIndex{1} << record.order;
    // Before the lists followed the blocks, some of them may be of `type` already; they move to the tail too.
    if (record.state == FrameState::kFree) {
      const Order order(record.order);
      RemoveFromList(block + i);
      AddToList(block + i, order, type, /*to_tail=*/true);
    }
    i += size;
  }
}

void Zone::SetBlockTypes(FrameIndex block, Order order, Migratetype type) {
  const FrameIndex end = block + static_cast<FrameIndex>(order.frames().raw());
  for (FrameIndex i = block; i < end; i += static_cast<FrameIndex>(kFramesPer2M.raw())) table_->block_type(i) = type;
}

void Zone::Insert(FrameIndex block, Order order, Migratetype type) {
  free_ += order.frames();
  unsigned merged = order.raw();
  for (; merged < kMaxOrder.raw(); ++merged) {
    const FrameIndex buddy = block ^ (FrameIndex{1} << merged);
    const FrameRecord& record = table_->record(buddy);
    if (record.state != FrameState::kFree || record.order != merged) break;
    RemoveFromList(buddy);
    // Above a pageblock, the buddy's block takes the type of the list they go to.
    if (merged >= kPageblockOrder.raw() && rules_.lists_follow_blocks) SetBlockTypes(buddy, Order(merged), type);
    block &= buddy;
  }
  AddToList(block, Order(merged), type, NextMergeIsLikely(block, Order(merged)));
  if (merged >= kPageblockOrder.raw() && observer_ != nullptr) {
    observer_->OnCoalesced(table_->FrameOf(block), Order(merged));
  }
}

// If the block's buddy came free, the pair would merge further: then the block goes to the tail, to be left alone for a
// while (buddy_merge_likely).
bool Zone::NextMergeIsLikely(FrameIndex block, Order order) const {
  if (order.raw() + 1 >= kMaxOrder.raw()) return false;
  const FrameIndex pair = block & ~(FrameIndex{1} << order.raw());
  const FrameRecord& record = table_->record(pair ^ (FrameIndex{1} << (order.raw() + 1)));
  return record.state == FrameState::kFree && record.order == order.raw() + 1;
}

absl::Status Zone::CheckInvariants() const {
  uint64_t frames = untouched_blocks_ * kMaxBlock.raw();
  for (unsigned order = 0; order < kOrders; ++order) {
    for (unsigned type = 0; type < kMigratetypes; ++type) {
      const FrameList& blocks = lists_[order][type];
      uint64_t count = 0;
      for (FrameIndex i = blocks.head(); i != kNoFrameIndex; i = table_->record(i).next, ++count) {
        const FrameRecord& record = table_->record(i);
        if (record.state != FrameState::kFree || record.order != order || static_cast<unsigned>(record.type) != type ||
            !table_->FrameOf(i).IsAligned(Order(order).frames()) || count > blocks.size()) {
          return absl::InternalError(absl::StrCat("free list of order ", order, ", type ", type, ": frame ",
                                                  table_->FrameOf(i).raw(), " does not belong there"));
        }
      }
      frames += count << order;
      const bool marked = HasBlock(Order(order), static_cast<Migratetype>(type));
      if (count != blocks.size() || marked != (FreeBlocks(Order(order), static_cast<Migratetype>(type)) > 0)) {
        return absl::InternalError(absl::StrCat("free list of order ", order, ", type ", type, " holds ", count,
                                                " blocks, but its size says ", blocks.size()));
      }
    }
  }
  if (frames != free_.raw()) {
    return absl::InternalError(absl::StrCat("the zone's lists hold ", frames, " frames, but it counts ", free_.raw()));
  }
  return absl::OkStatus();
}

}  // namespace dmfrag::model
