#include "worker/experiment/run.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "third_party/abseil_extras/status_macros.h"
#include "worker/experiment/live_pages.h"
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

// A result with the users of a mix, who have done nothing yet.
RunResult ResultOf(const workload::MixConfig& mix) {
  RunResult result;
  for (const workload::UserConfig& user : mix.users) {
    UserResult& of_user = result.users.emplace_back();
    of_user.name = user.name;
    of_user.uses_cache = workload::TrafficOf(user).protection != workload::Protection::kNone;
  }
  return result;
}

// One run at work.
class Runner {
 public:
  Runner(const RunConfig& config, std::unique_ptr<model::Machine> machine, std::unique_ptr<policy::CacheType> cache)
      : length_(config.length),
        machine_(std::move(machine)),
        cache_(std::move(cache)),
        processors_(config.machine.numa_nodes > 1 ? config.machine.cpus : 1),
        warmup_end_(config.length.warmup_us),
        end_(warmup_end_.AfterUs(config.length.duration_us)),
        operations_left_(config.length.max_operations),
        sampler_(config.length.sample_interval_us, config.length.duration_us),
        result_(ResultOf(config.mix)),
        pages_(machine_.get(), cache_.get(), &result_.users),
        pressure_(machine_.get(), &pages_) {
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
    machine_->allocator().RunOn(static_cast<uint32_t>(operation.object % processors_));
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
    UserResult& user = result_.users[operation.user];
    const ObjectTable::Slot object = pages_.Create(operation);
    for (uint64_t i = 0; i < operation.allocations; ++i) {
      if (!CountOperation(user)) return false;
      const std::optional<FrameNumber> block = Allocate(operation);
      if (!block.has_value()) {
        ++user.events.allocations_failed;
        return true;
      }
      pages_.Hold(object, operation, *block);
      result_.held_pages_max = std::max(result_.held_pages_max, HeldPages());
    }
    return true;
  }

  bool Destroy(const Operation& operation) {
    UserResult& user = result_.users[operation.user];
    const ObjectTable::Slot object = pages_.objects().Find(operation.user, operation.object);
    const std::vector<FrameNumber>& blocks = pages_.objects().blocks(object);
    for (size_t i = pages_.objects().first_block(object); i < blocks.size(); ++i) {
      if (!CountOperation(user)) return false;
      pages_.Release(operation, blocks[i]);
      FreeFor(operation, blocks[i], *machine_, *cache_);
    }
    result_.held_pages_max = std::max(result_.held_pages_max, HeldPages());
    pages_.Remove(operation);
    return true;
  }

  std::optional<FrameNumber> Allocate(const Operation& operation) {
    if (cache_->idle_pages().raw() > 0 && machine_->allocator().free_frames() < cache_->shrink_below()) {
      cache_->Shrink(kShrinkBatch);
    }
    const std::optional<FrameNumber> block = AllocateFor(operation, *machine_, *cache_);
    if (pressure_.IsKswapdWoken()) pressure_.RunKswapd(/*cpu=*/0);
    return block;
  }

  RunResult Finish(RunOutcome outcome) {
    result_.outcome = outcome;
    result_.direct_map = machine_->direct_map_counters();
    result_.held_pages = HeldPages();
    result_.free_pages = static_cast<int64_t>(machine_->allocator().free_frames().raw());
    result_.series = sampler_.series();
    return std::move(result_);
  }

  const RunLength length_;
  const std::unique_ptr<model::Machine> machine_;
  const std::unique_ptr<policy::CacheType> cache_;
  // Processors that objects are handed to, in turn; each makes, uses and ends its object there. A machine of one node
  // does all work on the first, since its lists are shared by all that runs there.
  const uint64_t processors_;
  const SimTime warmup_end_;
  const SimTime end_;
  bool warm_;
  uint64_t operations_left_;
  uint64_t ticks_ = 0;
  Sampler sampler_;
  model::DirectMapCounters start_counters_;
  RunResult result_;
  LivePages pages_;
  model::MemoryPressure pressure_;
};

}  // namespace

absl::StatusOr<RunResult> Run(const RunConfig& config) {
  ASSIGN_OR_RETURN(std::unique_ptr<model::Machine> machine, config.start.has_value()
                                                                ? model::Machine::Start(config.machine, *config.start)
                                                                : model::Machine::Create(config.machine));
  ASSIGN_OR_RETURN(std::unique_ptr<policy::CacheType> cache, policy::MakeCache(config.cache, machine.get()));
  const SimTime horizon = SimTime(config.length.warmup_us).AfterUs(config.length.duration_us);
  Runner runner(config, std::move(machine), std::move(cache));
  return runner.Run(workload::MixStream(config.mix, workload::Random(config.seed), horizon));
}

}  // namespace dmfrag::experiment
