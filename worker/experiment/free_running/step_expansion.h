#ifndef DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_STEP_EXPANSION_H_
#define DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_STEP_EXPANSION_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "worker/model/migratetype.h"
#include "worker/model/units.h"
#include "worker/workload/random.h"

namespace dmfrag::experiment {

// Names a block that was given out; it stays the same when compaction moves the block.
using PageId = uint32_t;

// A kernel that takes requests.
class RequestSink {
 public:
  virtual ~RequestSink() = default;
  // nullopt: no memory.
  virtual std::optional<PageId> Allocate(model::Order order, model::Migratetype type, uint32_t cpu) = 0;
  virtual void Free(PageId page, uint32_t cpu) = 0;
  // Unmovable single pages, as vmalloc asks for them; fewer: no memory.
  virtual std::vector<PageId> AllocateArea(uint64_t pages, uint32_t cpu) = 0;
  // set_direct_map_invalid_noflush, set_direct_map_default_noflush of one page.
  virtual void HidePage(PageId page, uint32_t cpu) = 0;
  virtual void ShowPage(PageId page, uint32_t cpu) = 0;
  // MemFree.
  virtual model::FrameCount FreeFrames() const = 0;
  // A write to /proc/sys/vm/compact_memory.
  virtual void CompactAll() = 0;
};

// Objects of one size that share slabs. A slab that was taken stays.
class SlabCache {
 public:
  SlabCache(model::Order order, model::Migratetype type, uint32_t objects_per_slab)
      : order_(order), type_(type), objects_per_slab_(objects_per_slab) {}
  void Add(RequestSink* sink, uint32_t cpu);
  void Remove(uint64_t objects) { live_ -= objects; }
  uint64_t live() const { return live_; }

 private:
  model::Order order_;
  model::Migratetype type_;
  uint32_t objects_per_slab_;
  uint64_t live_ = 0;
  uint64_t room_ = 0;  // objects that the slabs hold
};

// Turns the actions of a capture's steps into requests: each process's pages in the order it touches them, its page
// tables (one for 2 MiB), the page cache's nodes, inodes, directory entries and sockets in their slabs. What the action
// leaves open (which pages a percentage hits, sizes of files) is drawn. Expanded are secret, psecret, pfree, anon,
// anonthp, anonfill, apunch, files, socks, freepct, free, churn, pchurn, pin, and a write to compact_memory. Not
// expanded: programs (ebpf, cbpf), modules, sh, other writes, memory policies (mpol). Thread-compatible.
class StepExpander {
 public:
  // Borrows `sink`, which must outlive it. REQUIRES: cpus >= 1.
  StepExpander(RequestSink* sink, uint32_t cpus, workload::Random random);

  // Carries out an action. False: it is none of those above, or asks for something that is not there; nothing was done.
  bool Apply(std::string_view action);

 private:
  // Memory that a process mapped, and what was needed for it.
  struct Area {
    bool secret = false;
    uint64_t touched = 0;  // pages so far
    std::vector<PageId> pages;
    std::vector<PageId> tables;
    uint64_t nodes = 0;  // of the page cache
    uint32_t cpu = 0;
  };
  using Files = std::vector<Area>;
  using Words = std::vector<std::string_view>;

  // The area of that name, made if there is none; the process that steps are pinned for touches it from now on.
  Area& AreaOf(std::string_view name);
  // One page more; false: no memory.
  bool Touch(Area* area, model::Migratetype type);
  void TouchAll(Area* area, model::Migratetype type, uint64_t pages);
  void Release(Area* area);

  bool Secret(const Words& words);
  bool ParallelSecret(const Words& words);
  bool ParallelFree(const Words& words);
  bool Anon(const Words& words);
  bool HugeAnon(const Words& words);
  bool FillAnon(const Words& words);
  bool Punch(const Words& words);
  bool MakeFiles(const Words& words);
  bool Sockets(const Words& words);
  bool FreeShare(const Words& words);
  bool FreeAll(const Words& words);
  bool Churn(const Words& words);
  bool ParallelChurn(const Words& words);
  void ChurnOnce(std::vector<Area>* live, uint64_t max_secret, uint64_t max_anon, uint64_t max_live, uint32_t cpu);
  bool Hits(uint64_t percent) { return random_.Below(100) < percent; }

  RequestSink* sink_;
  uint32_t cpus_;
  uint32_t cpu_ = 0;
  workload::Random random_;
  SlabCache nodes_;
  SlabCache inodes_;
  SlabCache entries_;
  SlabCache sockets_;
  SlabCache socket_files_;
  std::map<std::string, Area, std::less<>> areas_;
  std::map<std::string, Files, std::less<>> files_;
  std::map<std::string, uint64_t, std::less<>> socket_groups_;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_STEP_EXPANSION_H_
