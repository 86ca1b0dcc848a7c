#ifndef DMFRAG_WORKER_EXPERIMENT_COALESCE_RESTORER_H_
#define DMFRAG_WORKER_EXPERIMENT_COALESCE_RESTORER_H_

#include <cstdint>
#include <deque>

#include "worker/model/coalesce_observer.h"
#include "worker/model/event_counters.h"
#include "worker/model/machine.h"
#include "worker/model/units.h"
#include "worker/workload/sim_time.h"

namespace dmfrag::experiment {

// Restores the large page of a block that the buddy allocator has coalesced: the proof of concept of which the seed
// letter tells ("hooked into the buddy code in the page allocator where this coalescing is already happening for freed
// pages"). No kernel has it.
//
// The hook runs under the zone's lock with interrupts off, where other processors' TLBs cannot be flushed and no page
// table freed; so it notes the block, and the rest is done later, if the block is still free by then. Whoever got a
// page of it in between finds the 4K entries, and the restore is lost. A block that holds its own page table is never
// free as a whole, so that nothing is noted. Events are charged to whoever was when the block coalesced.
class CoalesceRestorer final : public model::CoalesceObserver {
 public:
  // From the hook to the deferred work: a tick of a kernel with HZ=1000, a guess.
  static constexpr uint64_t kDelayUs = 1000;

  // Observes the machine's allocator for as long as it lives. Borrows it.
  explicit CoalesceRestorer(model::Machine* machine);
  ~CoalesceRestorer() override;
  CoalesceRestorer(const CoalesceRestorer&) = delete;
  CoalesceRestorer& operator=(const CoalesceRestorer&) = delete;

  void OnCoalesced(model::FrameNumber first, model::Order order) override;
  // Does the deferred work that is due. Time does not go back.
  void PassTime(workload::SimTime now);

 private:
  struct Pending {
    workload::SimTime due;
    model::FrameNumber block;
    model::EventCounters* account;
  };

  void Restore(const Pending& pending);

  model::Machine* machine_;
  workload::SimTime now_;
  std::deque<Pending> pending_;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_COALESCE_RESTORER_H_
