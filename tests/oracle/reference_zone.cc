#include "tests/oracle/reference_zone.h"

#include <algorithm>

namespace dmfrag::tests {
namespace {

using model::KernelRelease;
using model::Migratetype;

constexpr unsigned kMaxOrder = 10;
constexpr unsigned kPageblockOrder = 9;

uint64_t Pages(unsigned order) { return uint64_t{1} << order; }

std::vector<Migratetype> Fallbacks(Migratetype type) {
  switch (type) {
    case Migratetype::kUnmovable:
      return {Migratetype::kReclaimable, Migratetype::kMovable};
    case Migratetype::kMovable:
      return {Migratetype::kReclaimable, Migratetype::kUnmovable};
    case Migratetype::kReclaimable:
      return {Migratetype::kUnmovable, Migratetype::kMovable};
  }
  return {};
}

}  // namespace

ReferenceZone::ReferenceZone(uint64_t first, uint64_t end, KernelRelease release) : ReferenceZone(release) {
  AddMemory(first, end);
}

void ReferenceZone::AddMemory(uint64_t first, uint64_t end) {
  managed_ += end - first;
  while (first < end) {
    unsigned order = kMaxOrder;
    while (first % Pages(order) != 0 || first + Pages(order) > end) --order;
    Put(first, order, Migratetype::kMovable, true);
    first += Pages(order);
  }
}

Migratetype ReferenceZone::block_type(uint64_t frame) const {
  const auto found = block_types_.find(frame / 512);
  return found == block_types_.end() ? Migratetype::kMovable : found->second;
}

uint64_t ReferenceZone::free_frames() const {
  uint64_t frames = 0;
  for (const auto& [list, blocks] : lists_) frames += blocks.size() * Pages(list.first);
  return frames;
}

void ReferenceZone::SetUse(uint64_t frame, unsigned order, std::optional<Migratetype> type) {
  allocated_.erase(frame);
  if (type) allocated_[frame] = {order, *type};
}

void ReferenceZone::Put(uint64_t frame, unsigned order, Migratetype type, bool at_tail) {
  std::list<uint64_t>& list = lists_[{order, type}];
  list.insert(at_tail ? list.end() : list.begin(), frame);
  free_[frame] = {order, type};
}

void ReferenceZone::Take(uint64_t frame) {
  const FreeBlock block = free_.at(frame);
  lists_[{block.order, block.type}].remove(frame);
  free_.erase(frame);
}

const std::list<uint64_t>& ReferenceZone::blocks(unsigned order, Migratetype type) const {
  static const auto& empty = *new std::list<uint64_t>;
  const auto found = lists_.find({order, type});
  return found == lists_.end() ? empty : found->second;
}

void ReferenceZone::TakeAndExpand(uint64_t frame, unsigned found, unsigned order, Migratetype type) {
  Take(frame);
  while (found > order) {
    --found;
    Put(frame + Pages(found), found, type, false);
  }
}

std::optional<uint64_t> ReferenceZone::Allocate(unsigned order, Migratetype type, bool may_fragment) {
  bool stealing = false;
  return AllocateNext(order, type, may_fragment, &stealing);
}

std::optional<uint64_t> ReferenceZone::AllocateNext(unsigned order, Migratetype type, bool may_fragment,
                                                    bool* stealing) {
  std::optional<uint64_t> frame;
  if (!*stealing) frame = TakeSmallest(order, type);
  if (release_ <= KernelRelease::k6_1) {
    if (!frame) frame = Fallback61(order, type, may_fragment);
  } else if (release_ == KernelRelease::k6_12) {
    if (!frame) frame = Fallback612(order, type, may_fragment);
  } else {
    if (!frame && !*stealing) frame = Claim(order, type, may_fragment);
    if (!frame && may_fragment) {
      frame = Steal(order, type);
      *stealing = frame.has_value();
    }
  }
  if (frame) allocated_[*frame] = {order, type};
  return frame;
}

std::optional<uint64_t> ReferenceZone::TakeSmallest(unsigned order, Migratetype type) {
  for (unsigned found = order; found <= kMaxOrder; ++found) {
    if (blocks(found, type).empty()) continue;
    const uint64_t frame = blocks(found, type).front();
    TakeAndExpand(frame, found, order, type);
    return frame;
  }
  return std::nullopt;
}

std::optional<Migratetype> ReferenceZone::FallbackAt(unsigned order, Migratetype type) const {
  for (Migratetype fallback : Fallbacks(type)) {
    if (!blocks(order, fallback).empty()) return fallback;
  }
  return std::nullopt;
}

std::optional<std::pair<unsigned, Migratetype>> ReferenceZone::FallbackBlock(unsigned order, Migratetype type,
                                                                             bool may_fragment) const {
  const unsigned least = may_fragment ? order : std::max(order, kPageblockOrder);
  for (int largest = kMaxOrder; largest >= static_cast<int>(least); --largest) {
    const auto fallback = FallbackAt(static_cast<unsigned>(largest), type);
    if (!fallback) continue;
    if (type != Migratetype::kMovable || largest >= 4 || largest == static_cast<int>(order)) {
      return std::pair(static_cast<unsigned>(largest), *fallback);
    }
    unsigned smallest = order;
    while (!FallbackAt(smallest, type)) ++smallest;
    return std::pair(smallest, *FallbackAt(smallest, type));
  }
  return std::nullopt;
}

std::optional<uint64_t> ReferenceZone::Fallback61(unsigned order, Migratetype type, bool may_fragment) {
  const auto found = FallbackBlock(order, type, may_fragment);
  if (!found) return std::nullopt;
  const uint64_t frame = blocks(found->first, found->second).front();
  const uint64_t first = frame / 512 * 512;
  if (found->first >= kPageblockOrder) {
    for (uint64_t f = frame; f < frame + Pages(found->first); f += 512) block_types_[f / 512] = type;
  } else if (type != Migratetype::kMovable || found->first >= 4) {
    // All free pages change lists, whether or not the block is claimed for it.
    const uint64_t free_and_alike = FreeAndAlike(first, type);
    MoveFree(first, type);
    if (free_and_alike >= 256) block_types_[first / 512] = type;
    return TakeSmallest(order, type);
  }
  // One page changes lists.
  Take(frame);
  Put(frame, found->first, type, true);
  return TakeSmallest(order, type);
}

std::optional<uint64_t> ReferenceZone::Fallback612(unsigned order, Migratetype type, bool may_fragment) {
  const auto found = FallbackBlock(order, type, may_fragment);
  if (!found) return std::nullopt;
  const uint64_t frame = blocks(found->first, found->second).front();
  const bool whole_block = found->first >= 4 || type != Migratetype::kMovable;
  if (whole_block) {
    if (const auto claimed = ClaimBlock(frame, found->first, order, type)) return claimed;
  }
  TakeAndExpand(frame, found->first, order, found->second);
  return frame;
}

std::optional<uint64_t> ReferenceZone::Claim(unsigned order, Migratetype type, bool may_fragment) {
  const unsigned least = !may_fragment ? std::max(order, kPageblockOrder) : order;
  for (int found = kMaxOrder; found >= static_cast<int>(least); --found) {
    const auto fallback = FallbackAt(static_cast<unsigned>(found), type);
    if (!fallback) continue;
    if (found < 4 && type == Migratetype::kMovable) return std::nullopt;
    if (const auto frame = ClaimBlock(blocks(found, *fallback).front(), found, order, type)) return frame;
  }
  return std::nullopt;
}

uint64_t ReferenceZone::FreeAndAlike(uint64_t frame, Migratetype type) const {
  const uint64_t first = frame / 512 * 512;
  uint64_t free = 0;
  uint64_t movable = 0;
  for (auto it = free_.lower_bound(first); it != free_.lower_bound(first + 512); ++it) free += Pages(it->second.order);
  for (auto it = allocated_.lower_bound(first); it != allocated_.lower_bound(first + 512); ++it) {
    if (it->second.type == Migratetype::kMovable) movable += Pages(it->second.order);
  }
  if (type == Migratetype::kMovable) return free + movable;
  return block_type(first) == Migratetype::kMovable ? 512 - movable : free;
}

void ReferenceZone::MoveFree(uint64_t frame, Migratetype type) {
  const uint64_t first = frame / 512 * 512;
  std::vector<std::pair<uint64_t, unsigned>> inside;
  for (auto it = free_.lower_bound(first); it != free_.lower_bound(first + 512); ++it) {
    inside.push_back({it->first, it->second.order});
  }
  for (const auto& [f, order] : inside) {
    Take(f);
    Put(f, order, type, true);
  }
}

std::optional<uint64_t> ReferenceZone::ClaimBlock(uint64_t frame, unsigned found, unsigned order, Migratetype type) {
  if (found >= kPageblockOrder) {
    for (uint64_t f = frame; f < frame + Pages(found); f += 512) block_types_[f / 512] = type;
    TakeAndExpand(frame, found, order, type);
    return frame;
  }
  const uint64_t first = frame / 512 * 512;
  if (FreeAndAlike(first, type) < 256) return std::nullopt;
  MoveFree(first, type);
  block_types_[first / 512] = type;
  return TakeSmallest(order, type);
}

std::optional<uint64_t> ReferenceZone::Steal(unsigned order, Migratetype type) {
  for (unsigned found = order; found <= kMaxOrder; ++found) {
    const auto fallback = FallbackAt(found, type);
    if (!fallback) continue;
    const uint64_t frame = blocks(found, *fallback).front();
    TakeAndExpand(frame, found, order, *fallback);
    return frame;
  }
  return std::nullopt;
}

void ReferenceZone::Free(uint64_t frame, unsigned order, std::optional<Migratetype> to) {
  allocated_.erase(frame);
  const Migratetype type = to.value_or(block_type(frame));
  while (order < kMaxOrder) {
    const auto buddy = free_.find(frame ^ Pages(order));
    if (buddy == free_.end() || buddy->second.order != order) break;
    const uint64_t buddy_frame = buddy->first;
    Take(buddy_frame);
    if (order >= kPageblockOrder && release_ > KernelRelease::k6_1) block_types_[buddy_frame / 512] = type;
    frame = std::min(frame, buddy_frame);
    ++order;
  }
  bool at_tail = false;
  if (order < kPageblockOrder) {
    const uint64_t pair = frame & ~Pages(order);
    const auto next = free_.find(pair ^ Pages(order + 1));
    at_tail = next != free_.end() && next->second.order == order + 1;
  }
  Put(frame, order, type, at_tail);
}

}  // namespace dmfrag::tests
