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
// single pages come through the cache, a whole block from the page allocator. Source: kernel/bpf/core.c
// bpf_prog_pack_alloc, bpf_prog_pack_free. Thread-compatible. Borrows both pointers.
class PackPool {
 public:
  PackPool(const workload::Packs* rules, PageSupply* supply) : rules_(rules), supply_(supply) {}

  // Who takes chunks; compared and no more.
  using Owner = const void*;
  using ChunkId = uint64_t;

  // nullopt: no memory. A pack that has to be made is `owner`'s for as long as it lives. REQUIRES: 0 < bytes <= a pack.
  std::optional<ChunkId> Take(Owner owner, uint64_t bytes);
  // REQUIRES: Take gave it, and it was not returned since.
  void Return(ChunkId id);

  // Of the packs that `owner` made. Linear in packs.
  model::FrameCount PagesOf(Owner owner) const;

 private:
  struct Pack {
    Owner owner = nullptr;
    std::vector<model::FrameNumber> frames;  // by address
    bool one_block = false;
    model::VirtualRange area;
    std::map<uint64_t, uint64_t> free;  // runs of free chunks: first, number
  };
  struct Chunk {
    std::list<Pack>::iterator pack;
    uint64_t first = 0;
    uint64_t count = 0;
  };

  uint64_t ChunksOfPack() const { return rules_->bytes / rules_->chunk_bytes; }
  std::optional<Chunk> Find(uint64_t chunks);
  bool AddPack(Owner owner);
  bool AllocateFrames(Pack& pack);
  void FreeFrames(Pack& pack);

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
