#include "tests/oracle/reference_zone.h"

#include <algorithm>

namespace dmfrag::tests {
namespace {

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

ReferenceZone::ReferenceZone(uint64_t first, uint64_t end) {
  for (uint64_t frame = first; frame < end; frame += 512) block_types_[frame / 512] = Migratetype::kMovable;
  for (uint64_t frame = first; frame < end; frame += 1024) Put(frame, kMaxOrder, Migratetype::kMovable, true);
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
  std::optional<uint64_t> frame = TakeSmallest(order, type);
  if (!frame) frame = Claim(order, type, may_fragment);
  if (!frame && may_fragment) frame = Steal(order, type);
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

std::optional<uint64_t> ReferenceZone::Claim(unsigned order, Migratetype type, bool may_fragment) {
  const unsigned least = !may_fragment ? std::max(order, kPageblockOrder) : order;
  for (int found = kMaxOrder; found >= static_cast<int>(least); --found) {
    for (Migratetype fallback : Fallbacks(type)) {
      if (blocks(found, fallback).empty()) continue;
      if (found < 4 && type == Migratetype::kMovable) return std::nullopt;
      if (const auto frame = ClaimBlock(blocks(found, fallback).front(), found, order, type)) return frame;
      break;
    }
  }
  return std::nullopt;
}

std::optional<uint64_t> ReferenceZone::ClaimBlock(uint64_t frame, unsigned found, unsigned order, Migratetype type) {
  if (found >= kPageblockOrder) {
    for (uint64_t f = frame; f < frame + Pages(found); f += 512) block_types_[f / 512] = type;
    TakeAndExpand(frame, found, order, type);
    return frame;
  }
  const uint64_t first = frame / 512 * 512;
  uint64_t free = 0;
  uint64_t movable = 0;
  for (const auto& [f, block] : free_) free += f / 512 == first / 512 ? Pages(block.order) : 0;
  for (const auto& [f, block] : allocated_) {
    movable += f / 512 == first / 512 && block.type == Migratetype::kMovable ? Pages(block.order) : 0;
  }
  uint64_t alike = 0;
  if (type == Migratetype::kMovable)
    alike = movable;
  else if (block_type(first) == Migratetype::kMovable)
    alike = 512 - free - movable;
  if (free + alike < 256) return std::nullopt;
  std::vector<std::pair<uint64_t, FreeBlock>> inside;
  for (const auto& [f, block] : free_) {
    if (f / 512 == first / 512 && block.type != type) inside.push_back({f, block});
  }
  for (const auto& [f, block] : inside) {
    Take(f);
    Put(f, block.order, type, true);
  }
  block_types_[first / 512] = type;
  return TakeSmallest(order, type);
}

std::optional<uint64_t> ReferenceZone::Steal(unsigned order, Migratetype type) {
  for (unsigned found = order; found <= kMaxOrder; ++found) {
    for (Migratetype fallback : Fallbacks(type)) {
      if (blocks(found, fallback).empty()) continue;
      const uint64_t frame = blocks(found, fallback).front();
      TakeAndExpand(frame, found, order, fallback);
      return frame;
    }
  }
  return std::nullopt;
}

void ReferenceZone::Free(uint64_t frame, unsigned order) {
  allocated_.erase(frame);
  const Migratetype type = block_type(frame);
  while (order < kMaxOrder) {
    const auto buddy = free_.find(frame ^ Pages(order));
    if (buddy == free_.end() || buddy->second.order != order) break;
    const uint64_t buddy_frame = buddy->first;
    Take(buddy_frame);
    if (order >= kPageblockOrder) block_types_[buddy_frame / 512] = type;
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
