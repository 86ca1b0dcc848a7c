#ifndef DMFRAG_WORKER_EXPERIMENT_PACK_POOL_H_
#define DMFRAG_WORKER_EXPERIMENT_PACK_POOL_H_

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <vector>

#include "worker/experiment/page_supply.h"
#include "worker/model/units.h"
#include "worker/workload/permission.h"

namespace dmfrag::experiment {

// Packs that the objects of all users share: chunks of them are given out first fit, from the oldest pack on; a pack is
// made, and its permissions set, when there is no room; it is reset and freed when its last chunk is given back. Its
// pages come through the cache, whole blocks too if it has such. Source: kernel/bpf/core.c
// bpf_prog_pack_alloc, bpf_prog_pack_free; mm/execmem.c execmem_cache_alloc, execmem_cache_free, execmem_cache_clean.
// Thread-compatible. Borrows both pointers.
class PackPool {
 public:
  PackPool(const workload::Packs* rules, PageSupply* supply) : rules_(rules), supply_(supply) {}

  // Who takes chunks; compared and no more.
  using Owner = const void*;
  using ChunkId = uint64_t;

  // nullopt: no memory. A pack that has to be made is `owner`'s for as long as it lives. REQUIRES: bytes > 0.
  std::optional<ChunkId> Take(Owner owner, uint64_t bytes);
  // Its object is gone. REQUIRES: Take gave it, and it was not returned since.
  void Return(ChunkId id);
  // As Return, of a chunk whose object did not come to be. REQUIRES: the same.
  void GiveUp(ChunkId id);
  // Where the chunk lies. REQUIRES: chunks are whole pages; as Return.
  model::VirtualRange RangeOf(ChunkId id) const { return PartOf(chunks_.at(id)).area; }

  // Of the packs that `owner` made. Linear in packs.
  model::FrameCount PagesOf(Owner owner) const;

 private:
  struct Pack {
    Owner owner = nullptr;
    std::vector<model::FrameNumber> frames;  // by address
    bool in_blocks = false;
    model::VirtualRange area;
    uint64_t chunks = 0;
    std::map<uint64_t, uint64_t> free;  // runs of free chunks: first, number
  };
  struct Chunk {
    std::list<Pack>::iterator pack;
    uint64_t first = 0;
    uint64_t count = 0;
  };

  std::optional<Chunk> Find(uint64_t chunks);
  // A pack with room for so many.
  bool AddPack(Owner owner, uint64_t chunks);
  bool AllocateBlocks(Pack& pack, uint64_t pages);
  bool AllocateFrames(Pack& pack, uint64_t pages);
  static model::Order BlockOrderOf(const Pack& pack) {
    return pack.in_blocks ? model::kPageblockOrder : model::Order(0);
  }
  void FreeFrames(Pack& pack);
  void FreePack(std::list<Pack>::iterator pack);
  // The chunk is free, and its pack if that has no other.
  void Release(ChunkId id);
  // REQUIRES: chunks are whole pages.
  workload::UserPages PartOf(const Chunk& chunk) const;
  workload::UserCalls CallsOn(workload::PermissionCalls calls, const workload::UserPages& pages) const;

  const workload::Packs* rules_;
  PageSupply* supply_;
  std::list<Pack> packs_;
  ChunkId next_id_ = 0;
  std::map<ChunkId, Chunk> chunks_;
};

// The pool for each kind of pack. Borrows `supply`.
class PackPools {
 public:
  explicit PackPools(PageSupply* supply) : supply_(supply) {}
  PackPool& Of(const workload::Packs* rules) { return pools_.try_emplace(rules, rules, supply_).first->second; }

 private:
  PageSupply* supply_;
  std::map<const workload::Packs*, PackPool> pools_;  // looked up by key alone, never walked
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_PACK_POOL_H_
