#ifndef DMFRAG_WORKER_EXPERIMENT_RUN_RESULT_H_
#define DMFRAG_WORKER_EXPERIMENT_RUN_RESULT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "worker/experiment/cost_account.h"
#include "worker/experiment/sampler.h"
#include "worker/model/direct_map_counters.h"
#include "worker/model/event_counters.h"

namespace dmfrag::experiment {

enum class RunOutcome { kCompleted, kStoppedAtLimit };

// What one user did, and holds at the end.
struct UserResult {
  std::string name;
  bool uses_cache = false;  // it changes permissions of single pages, which come through the cache
  model::EventCounters events;
  int64_t live_pages = 0;
  int64_t protected_pages = 0;
};

// What a run produced: a function of its RunConfig alone. Events are counted from the end of the warm-up.
struct RunResult {
  RunOutcome outcome = RunOutcome::kCompleted;
  std::string cache_name;  // "" for none
  // In the order of the mix; behind them, in the order of the ageing's mix, what those of the ageing left.
  std::vector<UserResult> users;
  model::DirectMapCounters direct_map;
  bool has_1g_pages = false;  // the kernel would print DirectMap1G
  int64_t held_pages = 0;
  int64_t held_pages_max = 0;
  int64_t free_pages = 0;
  int64_t restorable_blocks = 0;
  int64_t free_2m_blocks = 0;                    // AllocationsServed of order 9 at the end
  int64_t unusable_free_2m_per_mille = 0;        // UnusableFreePerMille at the end,
  int64_t unusable_free_2m_start_per_mille = 0;  // and at the end of the warm-up
  TimeSeries series;
  std::optional<RunCost> cost;  // if the configuration asks for it

  // Events of all users.
  model::EventCounters TotalEvents() const;
  int64_t TotalLivePages() const;
  int64_t TotalProtectedPages() const;
};

}  // namespace dmfrag::experiment

#endif  // DMFRAG_WORKER_EXPERIMENT_RUN_RESULT_H_
