#include "worker/experiment/run.h"

#include <algorithm>
#include <deque>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "third_party/abseil_extras/status_macros.h"
#include "worker/experiment/coalesce_restorer.h"
#include "worker/experiment/cost_account.h"
#include "worker/experiment/frames_in_use.h"
#include "worker/experiment/live_pages.h"
#include "worker/experiment/make_page_user.h"
#include "worker/experiment/pack_pool.h"
#include "worker/experiment/page_supply.h"
#include "worker/experiment/page_user.h"
#include "worker/experiment/restorable_blocks.h"
#include "worker/experiment/sampler.h"
#include "worker/model/free_memory_index.h"
#include "worker/workload/merged_operations.h"
#include "worker/workload/random.h"
#include "worker/workload/sim_time.h"

namespace dmfrag::experiment {
namespace {

using model::FrameNumber;
using workload::Operation;
using workload::SimTime;

constexpr SimTime kEndOfTime = SimTime(~uint64_t{0});

// All who hold pages in a run.
struct RunUsers {
  std::vector<std::string> names;
  std::vector<workload::ObjectTraffic> traffic;

  void Add(const std::string& name, const workload::ObjectTraffic& of_user) {
    names.push_back(name);
    traffic.push_back(of_user);
  }
};

// The users of the mix, and what those of the ageing left.
RunUsers UsersOf(const RunConfig& config) {
  RunUsers users;
  for (const workload::UserConfig& user : config.mix.users) users.Add(user.name, TrafficOf(user));
  if (!config.ageing.has_value()) return users;
  for (const workload::UserConfig& user : config.ageing->mix.users) users.Add(AgedUserName(user.name), TrafficOf(user));
  return users;
}

// The users of the mix, and those of the recording.
RunUsers UsersOf(const RunConfig& config, const RecordedWork& work) {
  RunUsers users = UsersOf(config);
  for (const workload::RecordedUser& user : work.users) users.Add(user.name, TrafficOf(user));
  return users;
}

// A result with users who have done nothing yet.
RunResult ResultOf(const std::vector<std::string>& names, const std::vector<workload::ObjectTraffic>& traffic,
                   const policy::CacheType& cache) {
  RunResult result;
  for (size_t user = 0; user < names.size(); ++user) {
    UserResult& of_user = result.users.emplace_back();
    of_user.name = names[user];
    const workload::Permission* permission = traffic[user].permission;
    of_user.uses_cache = permission != nullptr && !permission->past_cache && traffic[user].order <= cache.max_order();
  }
  return result;
}

policy::CacheUser CacheUserOf(const workload::ObjectTraffic& traffic, uint32_t number) {
  policy::CacheUser user = {.number = number};
  if (traffic.permission == nullptr) return user;
  user.category_two = traffic.permission->category == workload::Permission::Category::kTwo;
  user.zeroes_new = traffic.permission->zeroes_new;
  user.zeroes_freed = traffic.permission->zeroes_freed;
  return user;
}

// One run at work.
class Runner {
 public:
  Runner(const RunConfig& config, std::unique_ptr<model::Machine> machine, std::unique_ptr<policy::CacheType> cache)
      : Runner(config, UsersOf(config), std::move(machine), std::move(cache)) {}
  Runner(const RunConfig& config, const RunUsers& users, std::unique_ptr<model::Machine> machine,
         std::unique_ptr<policy::CacheType> cache)
      : traffic_(users.traffic),
        length_(config.length),
        machine_(std::move(machine)),
        cache_(std::move(cache)),
        processors_(config.machine.numa_nodes > 1 ? config.machine.cpus : 1),
        cpus_(config.machine.cpus),
        warmup_end_(config.length.warmup_us),
        end_(warmup_end_.AfterUs(config.length.duration_us)),
        operations_left_(config.length.max_operations),
        sampler_(config.length.sample_interval_us, config.length.duration_us),
        result_(ResultOf(users.names, traffic_, *cache_)),
        pages_(machine_.get(), cache_.get(), traffic_, &result_.users),
        pressure_(machine_.get(), &pages_),
        shared_supply_(machine_.get(), cache_.get(), &pressure_, {.number = static_cast<uint32_t>(traffic_.size())}),
        packs_(&shared_supply_) {
    for (const workload::ObjectTraffic& traffic : traffic_) {
      const policy::CacheUser user = CacheUserOf(traffic, static_cast<uint32_t>(users_.size()));
      PageSupply& supply = supplies_.emplace_back(machine_.get(), cache_.get(), &pressure_, user);
      users_.push_back(MakePageUser(traffic, &supply, &packs_));
      pages_.Add(users_.back().get());
      const bool has_permission = traffic.permission != nullptr;
      zeroes_.push_back({.at_allocation = has_permission && traffic.permission->zeroes_new,
                         .at_free = has_permission && traffic.permission->zeroes_freed});
    }
    const model::BootMappingRules& mapping = config.machine.mapping;
    result_.has_1g_pages = mapping.gbpages && mapping.pse && !mapping.debug_pagealloc;
    cache_->SetLivePages(&pages_);
    result_.cache_name = cache_->name();
    if (config.cost.has_value()) cost_.emplace(*config.cost, users_.size());
    if (config.cache.options.restore == policy::CacheOptions::Restore::kOnCoalesce) restorer_.emplace(machine_.get());
    warm_ = length_.warmup_us == 0;
    start_counters_ = machine_->direct_map_counters();
  }

  // What survived the ageing holds its pages. The machine knows them already (StartAged).
  void TakeUp(const RunConfig& config, const AgedState& state) {
    const auto first_user = static_cast<uint32_t>(config.mix.users.size());
    for (HeldObject object : state.survivors) {
      object.user += first_user;
      pages_.TakeUp(object, traffic_[object.user].order, traffic_[object.user].type);
    }
  }

  // A block that was in use before the run: at `block`, or wherever the page allocator has room. None of it is counted.
  // False: there is no room.
  bool TakeUp(const Operation& operation, std::optional<FrameNumber> block) {
    model::EventCounters uncounted;
    machine_->ChargeTo(&uncounted);
    RunOn(operation);
    PageUser& user = *users_[operation.user];
    if (block.has_value()) {
      user.TakeUp(operation, *block);
    } else {
      block = user.Allocate(operation);
    }
    machine_->ChargeTo(&result_.users[operation.user].events);
    if (!block.has_value()) return false;
    const HeldObject object = {
        .user = operation.user, .number = operation.object, .end = operation.end, .blocks = {*block}};
    pages_.TakeUp(object, operation.order, operation.type);
    start_counters_ = machine_->direct_map_counters();
    return true;
  }

  FreeBlocks CountFreeBlocks() const {
    FreeBlocks blocks{};
    for (const model::ZoneSnapshot& zone : machine_->allocator().Snapshot().zones) {
      for (const model::BlockList& list : zone.free) blocks[list.order.raw()] += std::ssize(list.blocks);
    }
    return blocks;
  }

  RunResult Run(workload::OperationSource& stream) {
    result_.unusable_free_2m_start_per_mille = UnusableFree();
    while (std::optional<Operation> operation = stream.Next()) {
      PassTime(operation->time);
      if (!Apply(*operation)) return Finish(RunOutcome::kStoppedAtLimit);
    }
    PassTime(end_);
    return Finish(RunOutcome::kCompleted);
  }

  // As it is once the run is over.
  AgedState TakeState() const {
    AgedState state = {.allocator = machine_->allocator().Snapshot(),
                       .free_tables = machine_->FreeTables(),
                       .survivors = pages_.objects().Held()};
    state.allocator.knows_frames_in_use = machine_->allocator().KnowsFramesInUse();
    for (HeldObject& object : state.survivors) {
      if (object.end != kEndOfTime) object.end = SimTime(object.end.us() - end_.us());
    }
    return state;
  }

 private:
  // Ends the warm-up and takes samples, as far as they are due at `now`, before anything happens at `now`.
  void PassTime(SimTime now) {
    Tick(now);
    if (restorer_.has_value()) restorer_->PassTime(now);
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
    result_.unusable_free_2m_start_per_mille = UnusableFree();
    start_counters_ = machine_->direct_map_counters();
    if (cost_.has_value()) cost_->Reset();
  }

  int64_t HeldPages() const { return static_cast<int64_t>(cache_->idle_pages().raw()); }

  Sample CurrentSample() const {
    const model::DirectMapCounters& counters = machine_->direct_map_counters();
    const model::EventCounters events = result_.TotalEvents();
    return {.time_us = 0,
            .splits_2m = static_cast<int64_t>(counters.level2_splits - start_counters_.level2_splits),
            .direct_map_4k_kib = static_cast<int64_t>(counters.kib_4k()),
            .direct_map_2m_kib = static_cast<int64_t>(counters.kib_2m()),
            .direct_map_1g_kib = static_cast<int64_t>(counters.kib_1g()),
            .held_pages = HeldPages(),
            .free_pages = static_cast<int64_t>(machine_->allocator().free_frames().raw()),
            .unusable_free_2m_per_mille = UnusableFree(),
            .blocks_restored = events.blocks_restored,
            .shrunk_pages = events.shrunk_pages};
  }

  int64_t UnusableFree() const { return model::UnusableFreePerMille(machine_->allocator(), model::kPageblockOrder); }

  // False: the limit of operations is reached.
  bool Apply(const Operation& operation) {
    machine_->ChargeTo(&result_.users[operation.user].events);
    RunOn(operation);
    return operation.kind == Operation::Kind::kCreate ? Create(operation) : Destroy(operation);
  }

  void RunOn(const Operation& operation) {
    const uint64_t cpu = operation.cpu.has_value() ? *operation.cpu % cpus_ : operation.object % processors_;
    machine_->allocator().RunOn(static_cast<uint32_t>(cpu));
  }

  void StartCost(const UserResult& user) {
    if (cost_.has_value()) cost_->Start(user.events, machine_->allocator().locked_work());
  }
  void FinishCost(const Operation& operation, CostAccount::Kind kind) {
    if (!cost_.has_value()) return;
    const Zeroes& zeroes = zeroes_[operation.user];
    const bool is_zeroed = kind == CostAccount::Kind::kAllocation ? zeroes.at_allocation : zeroes.at_free;
    const int64_t pages_zeroed = is_zeroed ? static_cast<int64_t>(operation.order.frames().raw()) : 0;
    cost_->Finish(operation.user, kind, pages_zeroed, result_.users[operation.user].events,
                  machine_->allocator().locked_work());
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
    const ObjectTable::Slot object = pages_.Create(operation);
    for (uint64_t left = user.AllocationsOf(operation); left > 0; --left) {
      if (!CountOperation(result)) return false;
      StartCost(result);
      const std::optional<FrameNumber> block = user.Allocate(operation);
      if (block.has_value()) cache_->OnPagesChangeHands(operation.order.frames());
      FinishCost(operation, CostAccount::Kind::kAllocation);
      if (!block.has_value()) {
        ++result.events.allocations_failed;
        if (!user.keeps_parts()) GiveUp(operation, object);
        pages_.Complete(object);
        return true;
      }
      pages_.Hold(object, operation, *block);
      result_.held_pages_max = std::max(result_.held_pages_max, HeldPages());
    }
    if (!Protect(operation, object)) {
      ++result.events.allocations_failed;
      GiveUp(operation, object);
    }
    pages_.Complete(object);
    result_.held_pages_max = std::max(result_.held_pages_max, HeldPages());
    return true;
  }

  // What changes an object as a whole costs as one more allocation, or free.
  bool Protect(const Operation& operation, ObjectTable::Slot object) {
    PageUser& user = *users_[operation.user];
    if (!user.changes_objects()) return user.Protect(operation, pages_.objects().blocks(object));
    StartCost(result_.users[operation.user]);
    const bool done = user.Protect(operation, pages_.objects().blocks(object));
    FinishCost(operation, CostAccount::Kind::kAllocation);
    return done;
  }
  void Unprotect(const Operation& operation, const std::vector<FrameNumber>& blocks) {
    PageUser& user = *users_[operation.user];
    if (!user.resets_objects()) return user.Unprotect(operation, blocks);
    StartCost(result_.users[operation.user]);
    user.Unprotect(operation, blocks);
    FinishCost(operation, CostAccount::Kind::kFree);
  }

  // Frees what an object got before it met the end of memory; it lives on without pages. No operation is counted: the
  // kernel does it within the one that failed.
  void GiveUp(const Operation& operation, ObjectTable::Slot object) {
    for (FrameNumber block : pages_.objects().blocks(object)) {
      pages_.Release(operation, block);
      users_[operation.user]->Free(operation, block);
    }
    pages_.Clear(object);
  }

  bool Destroy(const Operation& operation) {
    PageUser& user = *users_[operation.user];
    const std::vector<FrameNumber>& blocks =
        pages_.objects().blocks(pages_.objects().Find(operation.user, operation.object));
    Unprotect(operation, blocks);
    for (FrameNumber block : blocks) {
      if (!CountOperation(result_.users[operation.user])) return false;
      pages_.Release(operation, block);
      StartCost(result_.users[operation.user]);
      cache_->OnPagesChangeHands(operation.order.frames());
      user.Free(operation, block);
      FinishCost(operation, CostAccount::Kind::kFree);
    }
    result_.held_pages_max = std::max(result_.held_pages_max, HeldPages());
    pages_.Remove(operation);
    return true;
  }

  RunResult Finish(RunOutcome outcome) {
    result_.outcome = outcome;
    for (uint32_t user = 0; user < users_.size(); ++user) pages_.CountOther(user, users_[user]->other_pages());
    result_.direct_map = machine_->direct_map_counters();
    result_.held_pages = HeldPages();
    result_.free_pages = static_cast<int64_t>(machine_->allocator().free_frames().raw());
    result_.restorable_blocks =
        static_cast<int64_t>(CountRestorableBlocks(machine_->direct_map(), machine_->allocator()));
    result_.free_2m_blocks =
        static_cast<int64_t>(model::AllocationsServed(machine_->allocator(), model::kPageblockOrder));
    result_.unusable_free_2m_per_mille = UnusableFree();
    result_.series = sampler_.series();
    if (cost_.has_value()) result_.cost = cost_->Result(machine_->direct_map_counters());
    return std::move(result_);
  }

  // When a user clears its pages.
  struct Zeroes {
    bool at_allocation = false;
    bool at_free = false;
  };

  const std::vector<workload::ObjectTraffic> traffic_;  // as UsersOf
  const RunLength length_;
  const std::unique_ptr<model::Machine> machine_;
  const std::unique_ptr<policy::CacheType> cache_;
  // Processors that objects are handed to, in turn; each makes, uses and ends its object there. A machine of one node
  // does all work on the first, since its lists are shared by all that runs there.
  const uint64_t processors_;
  const uint32_t cpus_;
  const SimTime warmup_end_;
  const SimTime end_;
  bool warm_;
  uint64_t operations_left_;
  uint64_t ticks_ = 0;
  Sampler sampler_;
  std::optional<CostAccount> cost_;
  model::DirectMapCounters start_counters_;
  RunResult result_;
  LivePages pages_;
  model::MemoryPressure pressure_;
  PageSupply shared_supply_;  // of what several users have together
  PackPools packs_;
  std::deque<PageSupply> supplies_;               // by user
  std::vector<std::unique_ptr<PageUser>> users_;  // as UsersOf
  std::vector<Zeroes> zeroes_;                    // by user
  std::optional<CoalesceRestorer> restorer_;
};

absl::StatusOr<std::unique_ptr<model::Machine>> MakeMachine(const RunConfig& config) {
  return config.start.has_value() ? model::Machine::Start(config.machine, *config.start)
                                  : model::Machine::Create(config.machine);
}

SimTime HorizonOf(const RunConfig& config) {
  return SimTime(config.length.warmup_us).AfterUs(config.length.duration_us);
}

workload::MixStream MixOf(const RunConfig& config) {
  return workload::MixStream(config.mix, workload::Random(config.seed), HorizonOf(config));
}

// The machine with the blocks that were in use before, where it starts from a state; `blocks` says where each of them
// is. A machine that boots gets them later.
absl::StatusOr<std::unique_ptr<model::Machine>> MakeMachine(const RunConfig& config, const RecordedWork& work,
                                                            std::vector<std::optional<FrameNumber>>& blocks) {
  blocks.assign(work.held.size(), std::nullopt);
  ASSIGN_OR_RETURN(std::unique_ptr<model::Machine> machine, MakeMachine(config));
  if (!config.start.has_value()) return machine;
  FramesInUse in_use(config.machine.memory, config.start->allocator);
  for (size_t i = 0; i < blocks.size(); ++i) {
    const Operation& operation = work.held[i].operation;
    blocks[i] = in_use.TakeNearest(work.held[i].frame, operation.order);
    if (!blocks[i].has_value()) continue;
    if (!machine->allocator().Adopt(*blocks[i], operation.order, operation.type)) blocks[i] = std::nullopt;
  }
  return machine;
}

}  // namespace

absl::StatusOr<RunResult> Run(const RunConfig& config) {
  if (config.ageing.has_value()) {
    ASSIGN_OR_RETURN(const AgedState state, Age(config));
    return Run(config, state);
  }
  ASSIGN_OR_RETURN(std::unique_ptr<model::Machine> machine, MakeMachine(config));
  ASSIGN_OR_RETURN(std::unique_ptr<policy::CacheType> cache, policy::MakeCache(config.cache, machine.get()));
  Runner runner(config, std::move(machine), std::move(cache));
  workload::MixStream mix = MixOf(config);
  return runner.Run(mix);
}

absl::StatusOr<RunResult> Run(const RunConfig& config, const AgedState& state) {
  ASSIGN_OR_RETURN(std::unique_ptr<model::Machine> machine, StartAged(config, state));
  ASSIGN_OR_RETURN(std::unique_ptr<policy::CacheType> cache, policy::MakeCache(config.cache, machine.get()));
  Runner runner(config, std::move(machine), std::move(cache));
  runner.TakeUp(config, state);
  const auto first_user = static_cast<uint32_t>(config.mix.users.size());
  workload::MixStream mix = MixOf(config);
  workload::ListedOperations ends(EndsOfSurvivors(*config.ageing, state, first_user, HorizonOf(config)));
  workload::MergedOperations operations({&mix, &ends});
  return runner.Run(operations);
}

absl::StatusOr<RecordedRunResult> Run(const RunConfig& config, const RecordedWork& work) {
  std::vector<std::optional<FrameNumber>> blocks;
  ASSIGN_OR_RETURN(std::unique_ptr<model::Machine> machine, MakeMachine(config, work, blocks));
  ASSIGN_OR_RETURN(std::unique_ptr<policy::CacheType> cache, policy::MakeCache(config.cache, machine.get()));
  Runner runner(config, UsersOf(config, work), std::move(machine), std::move(cache));
  RecordedRunResult result;
  for (size_t i = 0; i < blocks.size(); ++i) {
    const bool must_be_found = config.start.has_value();
    if ((must_be_found && !blocks[i].has_value()) || !runner.TakeUp(work.held[i].operation, blocks[i])) {
      ++result.held_missing;
    } else if (blocks[i] != work.held[i].frame) {
      ++result.held_elsewhere;
    }
  }
  result.free_blocks_at_start = runner.CountFreeBlocks();
  workload::MixStream mix = MixOf(config);
  workload::MergedOperations operations({&mix, work.operations});
  result.run = runner.Run(operations);
  result.free_blocks = runner.CountFreeBlocks();
  return result;
}

absl::StatusOr<AgedState> Age(const RunConfig& config) {
  const RunConfig ageing = {.machine = config.machine,
                            .start = config.start,
                            .cache = {},
                            .mix = config.ageing->mix,
                            .length = {.duration_us = config.ageing->duration_us, .sample_interval_us = 0},
                            .seed = config.seed};
  ASSIGN_OR_RETURN(std::unique_ptr<model::Machine> machine, MakeMachine(ageing));
  ASSIGN_OR_RETURN(std::unique_ptr<policy::CacheType> cache, policy::MakeCache(ageing.cache, machine.get()));
  Runner runner(ageing, std::move(machine), std::move(cache));
  // Its own streams: users of the mix draw the same with and without ageing.
  workload::MixStream mix(ageing.mix, workload::Random(config.seed).Derive("ageing"), HorizonOf(ageing));
  runner.Run(mix);
  return runner.TakeState();
}

}  // namespace dmfrag::experiment
