#include "worker/experiment/run.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "third_party/abseil_extras/status_macros.h"
#include "worker/experiment/cost_account.h"
#include "worker/experiment/object_table.h"
#include "worker/experiment/page_user.h"
#include "worker/experiment/sampler.h"
#include "worker/workload/random.h"
#include "worker/workload/sim_time.h"

namespace dmfrag::experiment {
namespace {

using model::FrameCount;
using model::FrameNumber;
using workload::Operation;
using workload::SimTime;

// Pages the cache gives up at a time under pressure (SHRINK_BATCH).
constexpr FrameCount kShrinkBatch(128);

// One run at work.
class Runner {
 public:
  Runner(const RunConfig& config, std::unique_ptr<model::Machine> machine, std::unique_ptr<policy::CacheType> cache)
      : length_(config.length),
        machine_(std::move(machine)),
        cache_(std::move(cache)),
        objects_(config.mix.users.size()),
        warmup_end_(config.length.warmup_us),
        end_(warmup_end_.AfterUs(config.length.duration_us)),
        operations_left_(config.length.max_operations),
        sampler_(config.length.sample_interval_us, config.length.duration_us) {
    for (const workload::UserConfig& user : config.mix.users) {
      UserResult result;
      result.name = user.name;
      result.uses_cache = workload::TrafficOf(user).protection != workload::Protection::kNone;
      result_.users.push_back(result);
    }
    const model::BootMappingRules& mapping = config.machine.mapping;
    result_.has_1g_pages = mapping.gbpages && mapping.pse && !mapping.debug_pagealloc;
    result_.cache_name = cache_->name();
    if (config.cost.has_value()) cost_.emplace(*config.cost, config.mix.users.size());
    warm_ = length_.warmup_us == 0;
    start_counters_ = machine_->direct_map_counters();
  }

  RunResult Run(workload::MixStream stream) {
    while (std::optional<Operation> operation = stream.Next()) {
      PassTime(operation->time);
      if (!Apply(*operation)) return Finish(RunOutcome::kStoppedAtLimit);
    }
    PassTime(end_);
    return Finish(RunOutcome::kCompleted);
  }

 private:
  // Ends the warm-up and takes samples, as far as they are due at `now`, before anything happens at `now`.
  void PassTime(SimTime now) {
    Tick(now);
    if (!warm_ && now >= warmup_end_) ResetCounters();
    if (!warm_) return;
    const uint64_t measured_us = now.us() - warmup_end_.us();
    if (!sampler_.IsDue(measured_us)) return;
    sampler_.RecordUpTo(measured_us, CurrentSample());
    if (cost_.has_value()) cost_->Observe(measured_us, machine_->direct_map_counters());
  }

  // The kernel's statistics work, once a second (sysctl_stat_interval). Per-CPU lists have nothing left to give up
  // after some tens of ticks without use, so that a long silence costs no more than that.
  void Tick(SimTime now) {
    constexpr uint64_t kUsPerTick = 1'000'000;
    constexpr uint64_t kTicksUntilStill = 128;
    const uint64_t ticks = now.us() / kUsPerTick;
    for (uint64_t left = std::min(ticks - ticks_, kTicksUntilStill); left > 0; --left) {
      machine_->allocator().DecayPerCpu();
    }
    ticks_ = ticks;
  }

  void ResetCounters() {
    warm_ = true;
    for (UserResult& user : result_.users) user.events = {};
    result_.held_pages_max = HeldPages();
    start_counters_ = machine_->direct_map_counters();
    if (cost_.has_value()) cost_->Reset();
  }

  int64_t HeldPages() const { return static_cast<int64_t>(cache_->idle_pages().raw()); }

  Sample CurrentSample() const {
    const model::DirectMapCounters& counters = machine_->direct_map_counters();
    return {.time_us = 0,
            .splits_2m = static_cast<int64_t>(counters.level2_splits - start_counters_.level2_splits),
            .direct_map_4k_kib = static_cast<int64_t>(counters.kib_4k()),
            .held_pages = HeldPages(),
            .free_pages = static_cast<int64_t>(machine_->allocator().free_frames().raw())};
  }

  // False: the limit of operations is reached.
  bool Apply(const Operation& operation) {
    machine_->ChargeTo(&result_.users[operation.user].events);
    return operation.kind == Operation::Kind::kCreate ? Create(operation) : Destroy(operation);
  }

  void StartCost(const UserResult& user) {
    if (cost_.has_value()) cost_->Start(user.events, machine_->allocator().locked_work());
  }
  void FinishCost(const UserResult& user, const Operation& operation, CostAccount::Kind kind) {
    if (!cost_.has_value()) return;
    const bool zeroes = operation.protection == workload::Protection::kSecretmem;  // at the fault and before the free
    const int64_t pages_zeroed = zeroes ? static_cast<int64_t>(operation.order.frames().raw()) : 0;
    cost_->Finish(operation.user, kind, pages_zeroed, user.events, machine_->allocator().locked_work());
  }

  bool CountOperation(UserResult& user) {
    if (length_.max_operations != 0) {
      if (operations_left_ == 0) return false;
      --operations_left_;
    }
    ++user.events.operations;
    return true;
  }

  bool Create(const Operation& operation) {
    UserResult& user = result_.users[operation.user];
    std::vector<FrameNumber>& blocks = objects_.Add(operation.user, operation.object);
    for (uint64_t i = 0; i < operation.allocations; ++i) {
      if (!CountOperation(user)) return false;
      StartCost(user);
      const std::optional<FrameNumber> block = Allocate(operation);
      FinishCost(user, operation, CostAccount::Kind::kAllocation);
      if (!block.has_value()) {
        ++user.events.allocations_failed;
        return true;
      }
      blocks.push_back(*block);
      CountLive(user, operation, 1);
      result_.held_pages_max = std::max(result_.held_pages_max, HeldPages());
    }
    return true;
  }

  bool Destroy(const Operation& operation) {
    UserResult& user = result_.users[operation.user];
    std::vector<FrameNumber>& blocks = objects_.Get(operation.user, operation.object);
    for (FrameNumber block : blocks) {
      if (!CountOperation(user)) return false;
      StartCost(user);
      FreeFor(operation, block, *machine_, *cache_);
      FinishCost(user, operation, CostAccount::Kind::kFree);
      CountLive(user, operation, -1);
    }
    result_.held_pages_max = std::max(result_.held_pages_max, HeldPages());
    objects_.Remove(operation.user, operation.object);
    return true;
  }

  static void CountLive(UserResult& user, const Operation& operation, int64_t sign) {
    const int64_t pages = sign * static_cast<int64_t>(operation.order.frames().raw());
    user.live_pages += pages;
    if (operation.protection != workload::Protection::kNone) user.protected_pages += pages;
  }

  std::optional<FrameNumber> Allocate(const Operation& operation) {
    if (cache_->idle_pages().raw() > 0 && machine_->allocator().free_frames() < cache_->shrink_below()) {
      cache_->Shrink(kShrinkBatch);
    }
    for (;;) {
      const std::optional<FrameNumber> block = AllocateFor(operation, *machine_, *cache_);
      // Reclaim, in so far as the model has one: caches give up what is idle.
      if (block.has_value() || cache_->Shrink(kShrinkBatch).raw() == 0) return block;
    }
  }

  RunResult Finish(RunOutcome outcome) {
    result_.outcome = outcome;
    result_.direct_map = machine_->direct_map_counters();
    result_.held_pages = HeldPages();
    result_.free_pages = static_cast<int64_t>(machine_->allocator().free_frames().raw());
    result_.series = sampler_.series();
    if (cost_.has_value()) result_.cost = cost_->Result(machine_->direct_map_counters());
    return std::move(result_);
  }

  const RunLength length_;
  const std::unique_ptr<model::Machine> machine_;
  const std::unique_ptr<policy::CacheType> cache_;
  ObjectTable objects_;
  const SimTime warmup_end_;
  const SimTime end_;
  bool warm_;
  uint64_t operations_left_;
  uint64_t ticks_ = 0;
  Sampler sampler_;
  std::optional<CostAccount> cost_;
  model::DirectMapCounters start_counters_;
  RunResult result_;
};

}  // namespace

absl::StatusOr<RunResult> Run(const RunConfig& config) {
  ASSIGN_OR_RETURN(std::unique_ptr<model::Machine> machine, model::Machine::Create(config.machine));
  ASSIGN_OR_RETURN(std::unique_ptr<policy::CacheType> cache, policy::MakeCache(config.cache, machine.get()));
  const SimTime horizon = SimTime(config.length.warmup_us).AfterUs(config.length.duration_us);
  Runner runner(config, std::move(machine), std::move(cache));
  return runner.Run(workload::MixStream(config.mix, workload::Random(config.seed), horizon));
}

}  // namespace dmfrag::experiment
