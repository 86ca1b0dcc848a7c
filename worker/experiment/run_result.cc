#include "worker/experiment/run_result.h"

namespace dmfrag::experiment {

model::EventCounters RunResult::TotalEvents() const {
  model::EventCounters total;
  for (const UserResult& user : users) total += user.events;
  return total;
}

int64_t RunResult::TotalLivePages() const {
  int64_t total = 0;
  for (const UserResult& user : users) total += user.live_pages;
  return total;
}

int64_t RunResult::TotalProtectedPages() const {
  int64_t total = 0;
  for (const UserResult& user : users) total += user.protected_pages;
  return total;
}

}  // namespace dmfrag::experiment
