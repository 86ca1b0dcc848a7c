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

// Packs that objects share: chunks of them are given out first fit, from the oldest pack on; a pack is made, and its
// permissions set, when there is no room; it is reset and freed when its last chunk is given back. Its single pages
// come through the cache, a whole block from the page allocator. Source: kernel/bpf/core.c bpf_prog_pack_alloc,
// bpf_prog_pack_free. Thread-compatible. Borrows both pointers.
class PackPool {
 public:
  PackPool(const workload::Packs* rules, PageSupply* supply) : rules_(rules), supply_(supply) {}

  // False: no memory. REQUIRES: `object` has no chunk; 0 < bytes <= a pack.
  bool Take(uint64_t object, uint64_t bytes);
  // Does nothing if the object has no chunk.
  void Return(uint64_t object);

  model::FrameCount pages() const;

 private:
  struct Pack {
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
  bool AddPack();
  bool AllocateFrames(Pack& pack);
  void FreeFrames(Pack& pack);
  workload::UserPages PagesOf(const Pack& pack) const { return {pack.frames, pack.area}; }

  const workload::Packs* rules_;
  PageSupply* supply_;
  std::list<Pack> packs_;
  std::map<uint64_t, Chunk> chunks_;  // by object
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_PACK_POOL_H_
