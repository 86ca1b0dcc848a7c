#include "proto/recording/frames_in_use.h"

#include <algorithm>

namespace dmfrag::recording {
namespace {

constexpr uint8_t kOrderOfWord = 6;  // 64 frames
// The largest block that the page allocator gives out; what has a larger one is no block of its.
constexpr uint8_t kMaxOrder = 10;

uint64_t FirstOf(uint64_t frame, uint8_t order) { return frame >> order << order; }

// The part of a range of frames that one word of a map holds.
struct Part {
  uint64_t word = 0;
  uint64_t bits = 0;  // 0: the range is empty
  uint64_t end = 0;
};

// The first part of [frame, end).
Part PartAt(uint64_t frame, uint64_t end) {
  if (frame >= end) return {};
  const uint64_t part_end = std::min(end, FirstOf(frame, kOrderOfWord) + 64);
  const uint64_t frames = part_end - frame;
  const uint64_t ones = frames == 64 ? ~uint64_t{0} : (uint64_t{1} << frames) - 1;
  return {.word = frame >> kOrderOfWord, .bits = ones << (frame % 64), .end = part_end};
}

}  // namespace

bool FramesInUse::IsAnySet(const BitMap& map, uint64_t frame, uint8_t order) {
  const uint64_t end = frame + (uint64_t{1} << order);
  for (Part part = PartAt(frame, end); part.bits != 0; part = PartAt(part.end, end)) {
    const auto word = map.find(part.word);
    if (word != map.end() && (word->second & part.bits) != 0) return true;
  }
  return false;
}

void FramesInUse::SetBits(BitMap& map, uint64_t frame, uint8_t order, bool on) {
  const uint64_t end = frame + (uint64_t{1} << order);
  for (Part part = PartAt(frame, end); part.bits != 0; part = PartAt(part.end, end)) {
    uint64_t& word = map[part.word];
    word = on ? word | part.bits : word & ~part.bits;
  }
}

void FramesInUse::Put(const Block& block) {
  blocks_[block.frame] = block;
  SetBits(in_use_, block.frame, block.order, true);
  SetBits(named_, block.frame, block.order, true);
}

const FramesInUse::Block* FramesInUse::Find(uint64_t frame) const {
  if (!IsInUse(frame)) return nullptr;
  for (uint8_t order = 0; order <= kMaxOrder; ++order) {
    const auto found = blocks_.find(FirstOf(frame, order));
    if (found != blocks_.end() && frame - found->second.frame < (uint64_t{1} << found->second.order)) {
      return &found->second;
    }
  }
  return nullptr;
}

void FramesInUse::Erase(const Block& block) {
  SetBits(in_use_, block.frame, block.order, false);
  blocks_.erase(block.frame);
}

void FramesInUse::Split(const Block& block, uint8_t order) {
  const Block whole = block;
  const uint64_t frames = uint64_t{1} << order;
  for (uint64_t at = whole.frame; at < whole.frame + (uint64_t{1} << whole.order); at += frames) {
    blocks_[at] = {.frame = at, .order = order, .number = whole.number, .record = whole.record, .is_part = true};
  }
}

std::vector<FramesInUse::Block> FramesInUse::Take(uint64_t frame, uint8_t order) {
  std::vector<Block> taken;
  const auto exact = blocks_.find(frame);
  if (exact != blocks_.end() && exact->second.order == order) {
    taken.push_back(exact->second);
    Erase(taken.back());
    return taken;
  }
  const uint64_t end = frame + (uint64_t{1} << order);
  for (uint64_t at = frame; at < end;) {
    const Block* block = Find(at);
    if (block == nullptr) {
      ++at;
      continue;
    }
    if (block->frame < frame || block->frame + (uint64_t{1} << block->order) > end) {
      Split(*block, order);
      continue;
    }
    taken.push_back(*block);
    at += uint64_t{1} << block->order;
    Erase(taken.back());
  }
  SetBits(named_, frame, order, true);
  return taken;
}

void FramesInUse::Move(uint64_t from, uint64_t to) {
  Block block = blocks_.at(from);
  Erase(block);
  block.frame = to;
  Put(block);
}

}  // namespace dmfrag::recording
