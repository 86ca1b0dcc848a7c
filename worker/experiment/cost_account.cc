#include "worker/experiment/cost_account.h"

namespace dmfrag::experiment {

using cost::CostOf;
using model::EventCounters;
using model::Zone;

UserCost& UserCost::operator+=(const UserCost& other) {
  cycles += other.cycles;
  allocations.Add(other.allocations);
  frees.Add(other.frees);
  isolated_interrupts += other.isolated_interrupts;
  return *this;
}

UserCost RunCost::Total() const {
  UserCost total;
  for (const UserCost& user : users) total += user;
  return total;
}

CostAccount::CostAccount(const CostConfig& config, size_t users)
    : config_(config),
      users_(users),
      list_allocation_(CostOf(config_.profile.operations, config_.targets, {.events = {}, .pages_allocated = 1})),
      list_free_(CostOf(config_.profile.operations, config_.targets, {.events = {}, .pages_freed = 1})) {}

void CostAccount::Start(const EventCounters& events, const Zone::LockedWork& locked) {
  events_at_start_ = events;
  locked_at_start_ = locked;
}

cost::OperationCost CostAccount::CostOfOperation(Kind kind, int64_t pages_zeroed, const EventCounters& events,
                                                 const Zone::LockedWork& locked) const {
  cost::Work work;
  work.events = events;
  work.events -= events_at_start_;
  work.zone_locks = static_cast<int64_t>(locked.locks - locked_at_start_.locks);
  work.zone_list_blocks = static_cast<int64_t>(locked.list_blocks - locked_at_start_.list_blocks);
  work.pages_allocated = kind == Kind::kAllocation ? 1 : 0;
  work.pages_freed = kind == Kind::kFree ? 1 : 0;
  work.pages_zeroed = pages_zeroed;
  return CostOf(config_.profile.operations, config_.targets, work);
}

void CostAccount::Finish(size_t user, Kind kind, int64_t pages_zeroed, const EventCounters& events,
                         const Zone::LockedWork& locked) {
  UserCost& account = users_[user];
  // Most operations of ordinary traffic are a hit of a per-CPU list and nothing else.
  const bool is_list_hit = pages_zeroed == 0 && locked.list_blocks == locked_at_start_.list_blocks &&
                           locked.locks == locked_at_start_.locks && events == events_at_start_;
  const cost::OperationCost cycles = is_list_hit ? (kind == Kind::kAllocation ? list_allocation_ : list_free_)
                                                 : CostOfOperation(kind, pages_zeroed, events, locked);
  account.cycles += cycles;
  (kind == Kind::kAllocation ? account.allocations : account.frees).Record(cycles.caller.typical);
  if (is_list_hit) return;
  EventCounters added = events;
  added -= events_at_start_;
  account.isolated_interrupts += cost::InterruptsOfIsolated(config_.targets, added);
}

void CostAccount::Reset() {
  users_.assign(users_.size(), UserCost());
  observed_until_us_ = 0;
  ppm_us_ = 0;
}

const cost::Range& CostAccount::TranslationPpm(const model::DirectMapCounters& map) {
  if (predicted_for_ == map) return predicted_ppm_;
  predicted_for_ = map;
  const cost::PageSizeMix mix = {.bytes_4k = static_cast<int64_t>(map.kib_4k() << 10),
                                 .bytes_2m = static_cast<int64_t>(map.kib_2m() << 10),
                                 .bytes_1g = static_cast<int64_t>(map.kib_1g() << 10)};
  predicted_ppm_ = TranslationOverheadPpm(config_.profile, mix, config_.working_sets);
  return predicted_ppm_;
}

void CostAccount::Observe(uint64_t time_us, const model::DirectMapCounters& map) {
  if (time_us <= observed_until_us_) return;
  ppm_us_ += static_cast<__int128>(TranslationPpm(map).typical) * (time_us - observed_until_us_);
  observed_until_us_ = time_us;
}

RunCost CostAccount::Result(const model::DirectMapCounters& map) {
  RunCost result{.users = users_, .translation_ppm = TranslationPpm(map), .translation_ppm_mean = std::nullopt};
  if (observed_until_us_ > 0) result.translation_ppm_mean = static_cast<int64_t>(ppm_us_ / observed_until_us_);
  return result;
}

}  // namespace dmfrag::experiment
