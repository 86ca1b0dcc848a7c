#include "worker/experiment/run.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "third_party/abseil_extras/status_macros.h"
#include "worker/experiment/object_table.h"
#include "worker/experiment/pack_pool.h"
#include "worker/experiment/page_supply.h"
#include "worker/experiment/page_user.h"
#include "worker/experiment/restorable_blocks.h"
#include "worker/experiment/sampler.h"
#include "worker/workload/random.h"
#include "worker/workload/sim_time.h"

namespace dmfrag::experiment {
namespace {

using model::FrameNumber;
using workload::Operation;
using workload::SimTime;

// One run at work.
class Runner {
 public:
  Runner(const RunConfig& config, std::unique_ptr<model::Machine> machine, std::unique_ptr<policy::CacheType> cache)
      : length_(config.length),
        machine_(std::move(machine)),
        cache_(std::move(cache)),
        supply_(machine_.get(), cache_.get()),
        packs_(&supply_),
        objects_(config.mix.users.size()),
        warmup_end_(config.length.warmup_us),
        end_(warmup_end_.AfterUs(config.length.duration_us)),
        operations_left_(config.length.max_operations),
        sampler_(config.length.sample_interval_us, config.length.duration_us) {
    for (const workload::UserConfig& user : config.mix.users) {
      const workload::ObjectTraffic traffic = workload::TrafficOf(user);
      UserResult result;
      result.name = user.name;
      result.uses_cache = traffic.permission != nullptr;
      result_.users.push_back(result);
      users_.push_back(MakePageUser(traffic, &supply_, &packs_));
    }
    const model::BootMappingRules& mapping = config.machine.mapping;
    result_.has_1g_pages = mapping.gbpages && mapping.pse && !mapping.debug_pagealloc;
    result_.cache_name = cache_->name();
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
    if (sampler_.IsDue(measured_us)) sampler_.RecordUpTo(measured_us, CurrentSample());
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

  bool CountOperation(UserResult& user) {
    if (length_.max_operations != 0) {
      if (operations_left_ == 0) return false;
      --operations_left_;
    }
    ++user.events.operations;
    return true;
  }

  bool Create(const Operation& operation) {
    UserResult& result = result_.users[operation.user];
    PageUser& user = *users_[operation.user];
    std::vector<FrameNumber>& blocks = objects_.Add(operation.user, operation.object);
    for (uint64_t left = user.AllocationsOf(operation); left > 0; --left) {
      if (!CountOperation(result)) return false;
      const std::optional<FrameNumber> block = user.Allocate(operation);
      if (!block.has_value()) {
        ++result.events.allocations_failed;
        if (!user.keeps_parts()) GiveUp(operation, blocks);
        return true;
      }
      blocks.push_back(*block);
      CountLive(operation, 1);
      result_.held_pages_max = std::max(result_.held_pages_max, HeldPages());
    }
    if (!user.Protect(operation, &blocks)) {
      ++result.events.allocations_failed;
      GiveUp(operation, blocks);
    }
    result_.held_pages_max = std::max(result_.held_pages_max, HeldPages());
    return true;
  }

  // Frees what an object got before it met the end of memory; it lives on without pages. No operation is counted: the
  // kernel does it within the one that failed.
  void GiveUp(const Operation& operation, std::vector<FrameNumber>& blocks) {
    for (FrameNumber block : blocks) {
      users_[operation.user]->Free(operation, block);
      CountLive(operation, -1);
    }
    blocks.clear();
  }

  bool Destroy(const Operation& operation) {
    PageUser& user = *users_[operation.user];
    std::vector<FrameNumber>& blocks = objects_.Get(operation.user, operation.object);
    user.Unprotect(operation, blocks);
    for (FrameNumber block : blocks) {
      if (!CountOperation(result_.users[operation.user])) return false;
      user.Free(operation, block);
      CountLive(operation, -1);
    }
    result_.held_pages_max = std::max(result_.held_pages_max, HeldPages());
    objects_.Remove(operation.user, operation.object);
    return true;
  }

  void CountLive(const Operation& operation, int64_t sign) {
    CountPages(operation.user, sign * static_cast<int64_t>(operation.order.frames().raw()));
  }
  void CountPages(uint32_t user, int64_t pages) {
    result_.users[user].live_pages += pages;
    if (users_[user]->protects_blocks()) result_.users[user].protected_pages += pages;
  }

  RunResult Finish(RunOutcome outcome) {
    result_.outcome = outcome;
    for (uint32_t user = 0; user < users_.size(); ++user) CountPages(user, users_[user]->other_pages());
    result_.direct_map = machine_->direct_map_counters();
    result_.held_pages = HeldPages();
    result_.free_pages = static_cast<int64_t>(machine_->allocator().free_frames().raw());
    result_.restorable_blocks =
        static_cast<int64_t>(CountRestorableBlocks(machine_->direct_map(), machine_->allocator()));
    result_.series = sampler_.series();
    return std::move(result_);
  }

  const RunLength length_;
  const std::unique_ptr<model::Machine> machine_;
  const std::unique_ptr<policy::CacheType> cache_;
  PageSupply supply_;
  PackPools packs_;
  std::vector<std::unique_ptr<PageUser>> users_;  // in the order of the mix
  ObjectTable objects_;
  const SimTime warmup_end_;
  const SimTime end_;
  bool warm_;
  uint64_t operations_left_;
  uint64_t ticks_ = 0;
  Sampler sampler_;
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
