#include "worker/experiment/pack_pool.h"

#include <iterator>
#include <span>

#include "third_party/abseil_extras/check.h"
#include "worker/experiment/call_runner.h"

namespace dmfrag::experiment {
namespace {

constexpr model::Order kSingle(0);
constexpr model::Migratetype kType = model::Migratetype::kUnmovable;

uint64_t RoundUp(uint64_t value, uint64_t unit) { return (value + unit - 1) / unit * unit; }

}  // namespace

using model::CpaOutcome;
using model::FrameCount;
using model::FrameNumber;
using workload::UserPages;

std::optional<PackPool::ChunkId> PackPool::Take(Owner owner, uint64_t bytes) {
  const uint64_t chunks = RoundUp(bytes, rules_->chunk_bytes) / rules_->chunk_bytes;
  std::optional<Chunk> chunk = Find(chunks);
  if (!chunk.has_value()) {
    if (!AddPack(owner, chunks)) return std::nullopt;
    chunk = Find(chunks);
  }
  CHECK(chunk.has_value());
  const ChunkId id = next_id_++;
  chunks_.emplace(id, *chunk);
  if (rules_->take == nullptr) return id;
  const auto take = [&] { return Perform(CallsOn(rules_->take, PartOf(*chunk)), supply_->machine()); };
  if (supply_->Try(take) == CpaOutcome::kDone) return id;
  GiveUp(id);
  return std::nullopt;
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

bool PackPool::AddPack(Owner owner, uint64_t chunks) {
  const uint64_t bytes = RoundUp(chunks * rules_->chunk_bytes, rules_->bytes);
  Pack pack;
  pack.owner = owner;
  pack.chunks = bytes / rules_->chunk_bytes;
  if (!AllocateFrames(pack, bytes / model::kFrameBytes)) {
    FreeFrames(pack);
    return false;
  }
  model::Machine& machine = supply_->machine();
  pack.area = pack.in_blocks ? machine.VmapBlocks(pack.frames) : machine.Vmap(pack.frames);
  pack.free.emplace(0, pack.chunks);
  const auto added = packs_.insert(packs_.end(), std::move(pack));
  const auto set = [&] { return Perform(CallsOn(rules_->set, {added->frames, added->area}), machine); };
  if (supply_->Try(set) == CpaOutcome::kDone) return true;
  FreePack(added);
  return false;
}

void PackPool::FreePack(std::list<Pack>::iterator pack) {
  // The supply takes its pages back in a state of its own.
  const workload::UserCalls reset =
      supply_->CallsToReset(CallsOn(rules_->reset, {pack->frames, pack->area}), BlockOrderOf(*pack), pack->frames,
                            /*is_mapped_elsewhere=*/true);
  PerformAll(reset, supply_->machine());
  supply_->machine().Vunmap(pack->area);
  FreeFrames(*pack);
  packs_.erase(pack);
}

void PackPool::Return(ChunkId id) {
  const auto found = chunks_.find(id);
  CHECK(found != chunks_.end());
  if (rules_->give_back != nullptr) {
    PerformAll(CallsOn(rules_->give_back, PartOf(found->second)), supply_->machine());
  }
  Release(id);
}

void PackPool::GiveUp(ChunkId id) {
  if (rules_->restore != nullptr) {
    PerformAll(CallsOn(rules_->restore, PartOf(chunks_.at(id))), supply_->machine());
  }
  Return(id);
}

void PackPool::Release(ChunkId id) {
  const auto found = chunks_.find(id);
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
  if (run->second == chunk.pack->chunks) FreePack(chunk.pack);
}

UserPages PackPool::PartOf(const Chunk& chunk) const {
  CHECK(rules_->chunk_bytes == model::kFrameBytes);
  const model::VirtualPage first = chunk.pack->area.first + FrameCount(chunk.first);
  return {.frames = std::span(chunk.pack->frames).subspan(chunk.first, chunk.count),
          .area = {first, first + FrameCount(chunk.count)}};
}

workload::UserCalls PackPool::CallsOn(workload::PermissionCalls calls, const UserPages& pages) const {
  return supply_->CallsOnAreas(calls(pages, supply_->code_release()));
}

FrameCount PackPool::PagesOf(Owner owner) const {
  FrameCount pages;
  for (const Pack& pack : packs_) {
    if (pack.owner == owner) pages += FrameCount(pack.frames.size());
  }
  return pages;
}

bool PackPool::AllocateBlocks(Pack& pack, uint64_t pages) {
  pack.in_blocks = true;
  while (pack.frames.size() < pages) {
    const auto block = supply_->Try([&] { return supply_->Get(model::kPageblockOrder, kType); });
    if (!block.has_value()) {
      FreeFrames(pack);
      return false;
    }
    for (uint64_t i = 0; i < model::kFramesPer2M.raw(); ++i) pack.frames.push_back(block->page + FrameCount(i));
  }
  return true;
}

bool PackPool::AllocateFrames(Pack& pack, uint64_t pages) {
  if (rules_->in_blocks(supply_->code_release()) && AllocateBlocks(pack, pages)) return true;
  while (pack.frames.size() < pages) {
    const auto page = supply_->Try([&] { return supply_->Get(kSingle, kType); });
    if (!page.has_value()) return false;
    pack.frames.push_back(page->page);
  }
  return true;
}

void PackPool::FreeFrames(Pack& pack) {
  const model::Order order = BlockOrderOf(pack);
  for (size_t i = 0; i < pack.frames.size(); i += order.frames().raw()) supply_->Give(pack.frames[i], order);
  pack.frames.clear();
  pack.in_blocks = false;
}

}  // namespace dmfrag::experiment
