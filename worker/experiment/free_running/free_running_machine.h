#ifndef DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_FREE_RUNNING_MACHINE_H_
#define DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_FREE_RUNNING_MACHINE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/experiment/free_running/compaction.h"
#include "worker/experiment/free_running/own_tables.h"
#include "worker/experiment/free_running/split_block_use.h"
#include "worker/experiment/free_running/step_expansion.h"
#include "worker/experiment/replay.h"
#include "worker/model/page_allocator.h"
#include "worker/model/table_page_source.h"
#include "worker/model/units.h"
#include "worker/workload/page_type_info.h"
#include "worker/workload/random.h"
#include "worker/workload/replay_input.h"

namespace dmfrag::experiment {

// A machine that starts as a capture's did, as far as its counts tell, and from there on picks every frame itself:
// the allocator chooses, the direct map is split where its choices say, and page tables of splits come from the
// allocator. Thread-compatible; not movable.
class FreeRunningMachine : public RequestSink, private MovableFrames {
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
  model::FrameCount FreeFrames() const override { return allocator_->free_frames(); }
  void CompactAll() override;

  // The recorder flushes the kernel's statistics after a step that dumps nothing, and with that decays per-CPU lists.
  void FlushStatistics() { allocator_->DecayPerCpu(); }

  // Unmovable single pages that lie in one aligned run of 2^order; empty: no memory.
  std::vector<PageId> AllocateRun(model::Order order, uint32_t cpu);
  // A block that was in use before the start, at the place where the start has it.
  PageId Adopt(model::FrameNumber first, model::Order order);

  void DrainPerCpu() { allocator_->DrainPerCpu(); }

  // Where a block is now.
  model::FrameNumber FrameOf(PageId page) const { return pages_[page].first; }
  model::Order OrderOf(PageId page) const { return pages_[page].order; }

  // One request on the direct map.
  void Change(const workload::CpaCall& call);

  // The kernel's counters as they should be now.
  workload::KernelCounters counters() const { return predictor_->counters(); }
  const model::DirectMap& direct_map() const { return predictor_->direct_map(); }
  const model::PageAllocator& allocator() const { return *allocator_; }
  // Since the start.
  const SplitBlockCounts& split_blocks() const { return split_use_.counts(); }
  const OwnTableCounts& tables() const { return own_tables_; }
  // Frames that compaction has moved so far.
  uint64_t moved_frames() const { return compaction_->moved_frames(); }

 private:
  static constexpr PageId kNobody = ~PageId{0};
  // Compaction that found nothing is not tried again for this many requests (defer_compaction).
  static constexpr uint32_t kDeferredRequests = 64;

  class Tables : public model::TablePageSource {
   public:
    explicit Tables(FreeRunningMachine* machine) : machine_(machine) {}
    std::optional<model::FrameNumber> TakeTable(model::MapLevel, model::FrameNumber) override;
    void ReturnTable(model::FrameNumber table) override;

   private:
    FreeRunningMachine* machine_;
  };
  struct Page {
    model::FrameNumber first;
    model::Order order;
    model::Migratetype type;
  };

  FreeRunningMachine() : tables_(this) {}

  PageId NewPage(model::FrameNumber first, model::Order order, model::Migratetype type);
  bool IsMovable(model::FrameNumber frame) const override;
  void Moved(model::FrameNumber from, model::FrameNumber to) override;
  // Before memory that cannot move is asked for: what kcompactd would have done by then.
  void PrepareWholeBlock(uint32_t cpu);
  void ChangePage(PageId page, workload::CpaCall::Op op, uint32_t cpu);

  Tables tables_;
  std::unique_ptr<Predictor> predictor_;
  std::unique_ptr<model::PageAllocator> allocator_;
  std::unique_ptr<Compaction> compaction_;
  model::FrameRange highest_zone_;
  bool areas_of_runs_ = false;
  std::vector<Page> pages_;
  std::vector<PageId> unused_ids_;
  std::vector<PageId> movable_;   // by frame: the movable page it is, or kNobody
  workload::ReplayStep request_;  // of one call, kept for its memory
  SplitBlockUse split_use_;
  OwnTableCounts own_tables_;
  uint32_t cpu_ = 0;  // that makes the request
  uint32_t deferred_ = 0;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_FREE_RUNNING_MACHINE_H_
