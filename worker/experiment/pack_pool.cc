#include "worker/experiment/pack_pool.h"

#include <iterator>

#include "third_party/abseil_extras/check.h"
#include "worker/experiment/call_runner.h"

namespace dmfrag::experiment {

using model::CpaOutcome;
using model::FrameCount;
using model::FrameNumber;

std::optional<PackPool::ChunkId> PackPool::Take(Owner owner, uint64_t bytes) {
  const uint64_t chunks = (bytes + rules_->chunk_bytes - 1) / rules_->chunk_bytes;
  std::optional<Chunk> chunk = Find(chunks);
  if (!chunk.has_value()) {
    if (!AddPack(owner)) return std::nullopt;
    chunk = Find(chunks);
  }
  CHECK(chunk.has_value());
  chunks_.emplace(next_id_, *chunk);
  return next_id_++;
}

std::optional<PackPool::Chunk> PackPool::Find(uint64_t chunks) {
  for (auto pack = packs_.begin(); pack != packs_.end(); ++pack) {
    for (auto run = pack->free.begin(); run != pack->free.end(); ++run) {
      const auto [first, count] = *run;
      if (count < chunks) continue;
      pack->free.erase(run);
      if (count > chunks) pack->free.emplace(first + chunks, count - chunks);
      return Chunk{pack, first, chunks};
    }
  }
  return std::nullopt;
}

bool PackPool::AddPack(Owner owner) {
  Pack pack;
  pack.owner = owner;
  if (!AllocateFrames(pack)) {
    FreeFrames(pack);
    return false;
  }
  model::Machine& machine = supply_->machine();
  pack.area = pack.one_block ? machine.VmapBlock(pack.frames.front()) : machine.Vmap(pack.frames);
  pack.free.emplace(0, ChunksOfPack());
  packs_.push_back(std::move(pack));
  if (supply_->Try([&] {
        return Perform(rules_->set({packs_.back().frames, packs_.back().area}, machine.cpa_release()), machine) ==
               CpaOutcome::kDone;
      })) {
    return true;
  }
  PerformAll(rules_->reset({packs_.back().frames, packs_.back().area}, machine.cpa_release()), machine);
  machine.Vunmap(packs_.back().area);
  FreeFrames(packs_.back());
  packs_.pop_back();
  return false;
}

void PackPool::Return(ChunkId id) {
  const auto found = chunks_.find(id);
  CHECK(found != chunks_.end());
  const Chunk chunk = found->second;
  chunks_.erase(found);
  auto run = chunk.pack->free.emplace(chunk.first, chunk.count).first;
  if (const auto next = std::next(run); next != chunk.pack->free.end() && run->first + run->second == next->first) {
    run->second += next->second;
    chunk.pack->free.erase(next);
  }
  if (run != chunk.pack->free.begin()) {
    const auto before = std::prev(run);
    if (before->first + before->second == run->first) {
      before->second += run->second;
      chunk.pack->free.erase(run);
      run = before;
    }
  }
  if (run->second != ChunksOfPack()) return;
  model::Machine& machine = supply_->machine();
  PerformAll(rules_->reset({chunk.pack->frames, chunk.pack->area}, machine.cpa_release()), machine);
  machine.Vunmap(chunk.pack->area);
  FreeFrames(*chunk.pack);
  packs_.erase(chunk.pack);
}

FrameCount PackPool::PagesOf(Owner owner) const {
  FrameCount pages;
  for (const Pack& pack : packs_) {
    if (pack.owner == owner) pages += FrameCount(pack.frames.size());
  }
  return pages;
}

bool PackPool::AllocateFrames(Pack& pack) {
  constexpr model::Migratetype kType = model::Migratetype::kUnmovable;
  const uint64_t pages = rules_->bytes / model::kFrameBytes;
  if (rules_->in_one_block(supply_->machine().cpa_release())) {
    const std::optional<FrameNumber> block =
        supply_->Try([&] { return supply_->machine().allocator().Allocate(model::kPageblockOrder, kType); });
    pack.one_block = block.has_value();
    for (uint64_t i = 0; pack.one_block && i < pages; ++i) pack.frames.push_back(*block + FrameCount(i));
  }
  while (pack.frames.size() < pages) {
    const std::optional<FrameNumber> page = supply_->Try([&] { return supply_->cache().Allocate({.type = kType}); });
    if (!page.has_value()) return false;
    pack.frames.push_back(*page);
  }
  return true;
}

void PackPool::FreeFrames(Pack& pack) {
  if (pack.one_block) {
    supply_->machine().allocator().Free(pack.frames.front(), model::kPageblockOrder);
    return;
  }
  for (const FrameNumber frame : pack.frames) supply_->cache().Free(frame);
}

}  // namespace dmfrag::experiment
