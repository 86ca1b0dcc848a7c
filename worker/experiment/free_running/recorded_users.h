#ifndef DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_RECORDED_USERS_H_
#define DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_RECORDED_USERS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "worker/experiment/free_running/free_running_machine.h"
#include "worker/experiment/free_running/load_traffic.h"
#include "worker/workload/random.h"
#include "worker/workload/replay_input.h"

namespace dmfrag::experiment {

// Users whose requests no action tells, but a capture recorded: modules, BPF programs, set_memory calls on blocks. What
// they asked for is taken from the record, which frame they get is not: each frame of the kernel's that turns up is a
// page that the machine gives out, and calls on the kernel's frame mean that page from then on. A page that is set
// invalid and default again is freed. What the start maps read-only was in use before it, and keeps its frames (parts
// of the modules' read-only cache are used again and again). From 7.3 on, frames that are named one after another and
// make an aligned run are taken for one request, as vmalloc makes them. Frames that turn up for the first time when
// they are set invalid belong to the last load before (a module's data). Pages of which no call speaks are
// LoadTraffic's. Thread-compatible.
class RecordedUsers {
 public:
  // Borrows both, which must outlive it.
  RecordedUsers(const workload::ReplayInput& input, FreeRunningMachine* machine, workload::Random random);

  // Carries out the calls of a step that the expander did not. False: it has none, and loads or frees nothing.
  bool Apply(const workload::ReplayStep& step);

 private:
  // Part of a block that the machine gave out for a run of the kernel's frames.
  struct Block {
    PageId page;
    uint64_t frames;
  };

  void FindPagesOfLoads(const workload::ReplayInput& input);
  void FindPagesInUse();
  bool IsInUse(model::FrameNumber first) const;
  void ApplyOnPages(const workload::CpaCall& call);
  // Pages of the load in work that have yet to be given out.
  struct Queue {
    std::vector<model::FrameNumber> frames;
    size_t next = 0;
    uint64_t left() const { return frames.size() - next; }
  };
  void BeginLoad(const workload::ReplayStep& step);
  // All pages of a module or pack are there before the attributes of any are changed, so its tables come after them.
  void GiveOutPart();
  void GiveOutNext(uint64_t pages, Queue* queue);
  // How many of the frames from `index` on were given out as one run.
  model::Order RunAt(const std::vector<model::FrameNumber>& frames, size_t index) const;
  void GiveOutRun(model::FrameNumber first, model::Order order);
  // The page for the kernel's frames, given out if there is none yet; null: no memory.
  const Block* BlockOf(model::FrameNumber first, uint64_t frames);
  const Block* Find(model::FrameNumber frame, model::FrameNumber* first) const;
  bool ApplyOnTestBlock(const workload::ReplayStep& step);

  bool ApplyUnrecorded(std::string_view action);
  // Single pages that the step's calls speak of for the first time, in that order.
  std::vector<model::FrameNumber> NewPages(const workload::ReplayStep& step) const;

  FreeRunningMachine* machine_;
  bool areas_of_runs_;
  // Observed on nmods-612, -616 and -73: MemFree rises by more over an unload of all modules (10,500 to 16,900 pages)
  // than modules and slabs had; on nmods-61 by less. What empties the per-CPU lists there was not found out.
  bool drains_after_unload_;
  LoadTraffic traffic_;
  bool recorded_ = false;  // the capture recorded requests at all
  bool loading_ = false;
  Queue named_;                                                                      // by the step's calls
  Queue later_;                                                                      // when they are unloaded
  std::map<uint64_t, Block> blocks_;                                                 // by the kernel's first frame
  std::vector<model::FrameRange> in_use_;                                            // ascending
  std::unordered_map<int32_t, std::vector<model::FrameNumber>> more_pages_of_load_;  // by step
  std::optional<PageId> test_block_;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_FREE_RUNNING_RECORDED_USERS_H_
