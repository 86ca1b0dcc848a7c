#ifndef DMFRAG_WORKER_EXPERIMENT_COST_ACCOUNT_H_
#define DMFRAG_WORKER_EXPERIMENT_COST_ACCOUNT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "worker/cost/cpu_profile.h"
#include "worker/cost/latency_histogram.h"
#include "worker/cost/operation_cost.h"
#include "worker/cost/range.h"
#include "worker/cost/tlb_model.h"
#include "worker/model/direct_map_counters.h"
#include "worker/model/event_counters.h"
#include "worker/model/zone.h"

namespace dmfrag::experiment {

// The processors whose cycles a run predicts, and what runs on them.
struct CostConfig {
  cost::CpuProfile profile;  // of a processor, or of one whose figures were changed
  cost::FlushTargets targets;
  cost::WorkingSets working_sets;
};

// What one user's operations cost, from the end of the warm-up. A plain value.
struct UserCost {
  cost::OperationCost cycles;
  cost::LatencyHistogram allocations;  // cycles of the caller, typical end
  cost::LatencyHistogram frees;        // the same
  int64_t isolated_interrupts = 0;     // for flushes, none merged

  UserCost& operator+=(const UserCost& other);
};

// What a run cost. A plain value.
struct RunCost {
  std::vector<UserCost> users;                  // in the order of the mix
  cost::Range translation_ppm;                  // at the end
  std::optional<int64_t> translation_ppm_mean;  // typical end, over time as far as it was observed

  UserCost Total() const;
};

// Books the cost of a run's page operations as they happen, from the difference each makes to counters. Not counted:
// what happens outside operations, and zeroing of pages whose users do not say that they zero. Thread-compatible.
class CostAccount {
 public:
  enum class Kind : uint8_t { kAllocation, kFree };

  CostAccount(const CostConfig& config, size_t users);

  // Before an operation of a user, with its counters and the allocator's as they are then, and after it.
  // REQUIRES: calls alternate.
  void Start(const model::EventCounters& events, const model::Zone::LockedWork& locked);
  void Finish(size_t user, Kind kind, int64_t pages_zeroed, const model::EventCounters& events,
              const model::Zone::LockedWork& locked);

  // Forgets what was booked and observed, at the end of the warm-up.
  void Reset();

  // The direct map as it is at `time_us` since the end of the warm-up; it is taken to have been so since the last call.
  void Observe(uint64_t time_us, const model::DirectMapCounters& map);

  // The cost so far; `map` is the direct map at the end.
  RunCost Result(const model::DirectMapCounters& map);

 private:
  cost::OperationCost CostOfOperation(Kind kind, int64_t pages_zeroed, const model::EventCounters& events,
                                      const model::Zone::LockedWork& locked) const;
  const cost::Range& TranslationPpm(const model::DirectMapCounters& map);

  const CostConfig config_;
  std::vector<UserCost> users_;
  const cost::OperationCost list_allocation_;
  const cost::OperationCost list_free_;
  model::EventCounters events_at_start_;
  model::Zone::LockedWork locked_at_start_;
  // The last prediction of the TLB model: the direct map seldom changes between two observations.
  std::optional<model::DirectMapCounters> predicted_for_;
  cost::Range predicted_ppm_;
  uint64_t observed_until_us_ = 0;
  __int128 ppm_us_ = 0;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_COST_ACCOUNT_H_
