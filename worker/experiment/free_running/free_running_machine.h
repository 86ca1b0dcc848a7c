#ifndef DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_FREE_RUNNING_MACHINE_H_
#define DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_FREE_RUNNING_MACHINE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/experiment/free_running/own_tables.h"
#include "worker/experiment/free_running/split_block_use.h"
#include "worker/experiment/free_running/step_expansion.h"
#include "worker/model/attribute_request.h"
#include "worker/model/compaction.h"
#include "worker/model/compaction_deferral.h"
#include "worker/model/cpa_observer.h"
#include "worker/model/direct_map.h"
#include "worker/model/direct_map_counters.h"
#include "worker/model/machine.h"
#include "worker/model/page_allocator.h"
#include "worker/model/units.h"
#include "worker/workload/page_type_info.h"
#include "worker/workload/random.h"
#include "worker/workload/replay_input.h"

namespace dmfrag::experiment {

// A machine that starts as a capture's did, as far as its counts tell, and from there on picks every frame itself:
// the allocator chooses, the direct map is split where its choices say, and page tables of splits come from the
// allocator. Thread-compatible; not movable.
class FreeRunningMachine : public RequestSink, private model::MovableFrames, private model::CpaObserver {
 public:
  // Reads memory map, release, processors and starting map of `input`, and the counts of its start.
  // Errors: kInvalidArgument as of Predictor::Create and SampleStart.
  static absl::StatusOr<std::unique_ptr<FreeRunningMachine>> Create(const workload::ReplayInput& input,
                                                                    const workload::FreeCounts& start,
                                                                    workload::Random random);
  FreeRunningMachine(const FreeRunningMachine&) = delete;
  FreeRunningMachine& operator=(const FreeRunningMachine&) = delete;

  std::optional<PageId> Allocate(model::Order order, model::Migratetype type, uint32_t cpu) override;
  void Free(PageId page, uint32_t cpu) override;
  std::vector<PageId> AllocateArea(uint64_t pages, uint32_t cpu) override;
  void HidePage(PageId page, uint32_t cpu) override;
  void ShowPage(PageId page, uint32_t cpu) override;
  model::FrameCount FreeFrames() const override { return machine_->allocator().free_frames(); }
  void CompactAll() override;

  // The recorder flushes the kernel's statistics after a step that dumps nothing, and with that decays per-CPU lists.
  void FlushStatistics() { machine_->allocator().DecayPerCpu(); }

  // "write /proc/sys/vm/min_free_kbytes KIB". False: it is not that; nothing was done.
  bool SetMinFree(std::string_view action);

  // set_mempolicy of the process that makes the requests: "mpol bind NODE", "mpol pref NODE", "mpol inter", "mpol
  // default". False: it is none of those, or there is no such node; nothing was done.
  bool SetMemoryPolicy(std::string_view action);

  // Unmovable single pages that lie in one aligned run of 2^order; empty: no memory.
  std::vector<PageId> AllocateRun(model::Order order, uint32_t cpu);
  // A block that was in use before the start, at the place where the start has it.
  PageId Adopt(model::FrameNumber first, model::Order order);

  void DrainPerCpu() { machine_->allocator().DrainPerCpu(); }

  // Where a block is now.
  model::FrameNumber FrameOf(PageId page) const { return pages_[page].first; }
  model::Order OrderOf(PageId page) const { return pages_[page].order; }

  // One request on the direct map.
  void Change(const workload::CpaCall& call);

  // The kernel's counters as they should be now.
  const model::DirectMapCounters& counters() const { return machine_->direct_map_counters(); }
  const model::DirectMap& direct_map() const { return machine_->direct_map(); }
  const model::PageAllocator& allocator() const { return machine_->allocator(); }
  // Since the start.
  const SplitBlockCounts& split_blocks() const { return split_use_.counts(); }
  OwnTableCounts tables() const;
  // Frames that compaction has moved so far.
  uint64_t moved_frames() const;

 private:
  // Compaction that found nothing is not tried again for this many requests. Simplification: at once what
  // CompactionDeferral comes to after failures in a row, where the last of these requests tries.
  static constexpr uint32_t kDeferredRequests = model::CompactionDeferral::kMostRequests;

  struct Node {
    size_t highest_zone = 0;  // of the allocator's
    std::unique_ptr<model::Compaction> compaction;
    uint32_t deferred = 0;
  };
  struct Page {
    model::FrameNumber first;
    model::Order order;
  };

  FreeRunningMachine() = default;

  PageId NewPage(model::FrameNumber first, model::Order order, model::Migratetype type);
  // Names a movable page to the allocator; no other page has an owner there.
  void SetOwner(model::FrameNumber frame, PageId id);
  bool IsMovable(model::FrameNumber frame) const override;
  void Moved(model::FrameNumber from, model::FrameNumber to) override;
  void OnRequest(const model::AttributeRequest& request) override;
  void OnSplit(model::MapLevel level, model::FrameNumber first) override;
  void OnCollapse(model::MapLevel, model::FrameNumber) override {}
  // The node that the process's memory policy asks for.
  uint32_t NodeFor(uint32_t cpu) const;
  // It got that many blocks.
  void CountBlocks(int64_t blocks);
  // Makes a call of the kernel's on a processor, which may take page tables.
  template <typename Call>
  void CallOn(uint32_t cpu, const Call& call);
  // Before memory that cannot move is asked for: what the node's kcompactd would have done by then.
  void PrepareWholeBlock(uint32_t node, uint32_t cpu);

  std::unique_ptr<model::Machine> machine_;
  std::vector<Node> nodes_;
  bool areas_of_runs_ = false;
  std::vector<Page> pages_;
  std::vector<PageId> unused_ids_;
  SplitBlockUse split_use_;
  uint32_t cpu_ = 0;  // that made the last request
  bool interleaved_ = false;
  uint32_t last_node_ = 0;              // if interleaved: where the last request went (il_prev)
  std::optional<uint32_t> bound_node_;  // of the memory policy
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_FREE_RUNNING_MACHINE_H_
