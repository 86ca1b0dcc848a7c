#include "worker/convert/run_config_from_spec.h"

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/cost/cpu_profile.h"
#include "worker/cost/operation_cost.h"
#include "worker/cost/range.h"
#include "worker/cost/tlb_model.h"
#include "worker/experiment/boot_snapshot.h"
#include "worker/experiment/cost_account.h"
#include "worker/model/allocator_rules.h"
#include "worker/model/units.h"
#include "worker/workload/random.h"

namespace dmfrag::convert {
namespace {

absl::StatusOr<model::KernelRelease> ReleaseFrom(v1::KernelRelease release, const char* field) {
  switch (release) {
    case v1::KERNEL_RELEASE_5_17:
      return model::KernelRelease::k5_17;
    case v1::KERNEL_RELEASE_6_1:
      return model::KernelRelease::k6_1;
    case v1::KERNEL_RELEASE_6_12:
      return model::KernelRelease::k6_12;
    case v1::KERNEL_RELEASE_6_16:
      return model::KernelRelease::k6_16;
    case v1::KERNEL_RELEASE_6_18:
      return model::KernelRelease::k6_18;
    case v1::KERNEL_RELEASE_7_3:
      return model::KernelRelease::k7_3;
    default:
      return absl::InvalidArgumentError(absl::StrCat(field, ": release ", v1::KernelRelease_Name(release),
                                                     " is not modelled; take KERNEL_RELEASE_5_17 to _7_3"));
  }
}

absl::StatusOr<model::MemoryMap> MemoryFrom(const v1::MachineSpec& machine) {
  if (machine.e820().empty()) return model::MemoryMap::Pc(machine.memory_bytes());
  std::vector<model::ByteRange> ranges;
  for (const v1::MemoryRange& range : machine.e820()) ranges.push_back({range.start_bytes(), range.end_bytes()});
  return model::MemoryMap::FromUsableRanges(ranges);
}

// A machine, and where it stands at the beginning; absent: it boots.
struct StartingMachine {
  model::MachineConfig config;
  std::optional<model::MachineStart> start;
};

absl::StatusOr<StartingMachine> SnapshotMachineFrom(const v1::JobSpec& spec, const CaptureSource& captures,
                                                    model::KernelRelease allocator_release) {
  ASSIGN_OR_RETURN(const std::string bytes, ReadChecked(captures, spec.machine().boot_snapshot_sha256()));
  const auto wrong = [](const absl::Status& status) {
    return absl::InvalidArgumentError(absl::StrCat("machine.boot_snapshot_sha256: ", status.message()));
  };
  absl::StatusOr<experiment::BootSnapshot> snapshot = experiment::ReadBootSnapshot(bytes);
  if (!snapshot.ok()) return wrong(snapshot.status());
  // Its own stream: users of the mix draw the same whatever the machine.
  absl::StatusOr<model::MachineStart> start =
      experiment::StartFrom(*snapshot, model::AllocatorRules::Of(allocator_release),
                            workload::Random(spec.seed()).Derive("machine.boot_snapshot"));
  if (!start.ok()) return wrong(start.status());
  workload::ReplayInput& input = snapshot->input;
  const std::vector<uint32_t>& nodes = start->allocator.node_of_cpu;
  const uint32_t last_node = nodes.empty() ? 0 : *std::max_element(nodes.begin(), nodes.end());
  return StartingMachine{
      {.memory = std::move(input.memory), .mapping = input.mapping, .cpus = input.cpus, .numa_nodes = last_node + 1},
      *std::move(start)};
}

absl::StatusOr<StartingMachine> BootingMachineFrom(const v1::MachineSpec& machine) {
  ASSIGN_OR_RETURN(model::MemoryMap memory, MemoryFrom(machine));
  return StartingMachine{
      {.memory = std::move(memory),
       .mapping = {.gbpages = machine.gbpages(), .pse = machine.pse(), .debug_pagealloc = machine.debug_pagealloc()},
       .cpus = machine.cpus(),
       .numa_nodes = machine.numa_nodes()},
      std::nullopt};
}

absl::StatusOr<StartingMachine> MachineFrom(const v1::JobSpec& spec, const CaptureSource& captures) {
  ASSIGN_OR_RETURN(const model::KernelRelease allocator_release,
                   ReleaseFrom(spec.kernel().allocator_release(), "kernel.allocator_release"));
  ASSIGN_OR_RETURN(const model::KernelRelease cpa_release,
                   ReleaseFrom(spec.kernel().cpa_release(), "kernel.cpa_release"));
  absl::StatusOr<StartingMachine> machine = spec.machine().boot_snapshot_sha256().empty()
                                                ? BootingMachineFrom(spec.machine())
                                                : SnapshotMachineFrom(spec, captures, allocator_release);
  if (!machine.ok()) return machine;
  machine->config.allocator_release = allocator_release;
  machine->config.cpa_release = cpa_release;
  return machine;
}

absl::StatusOr<model::TableSourceKind> TableSourceFrom(const v1::CacheSpec& cache) {
  const v1::TableSource source =
      cache.has_none() ? cache.none().table_source() : cache.global().options().table_source();
  switch (source) {
    case v1::TABLE_SOURCE_BUDDY:
      return model::TableSourceKind::kBuddy;
    case v1::TABLE_SOURCE_BOOT_RESERVE:
      return model::TableSourceKind::kBootReserve;
    case v1::TABLE_SOURCE_GROUPED:
      return model::TableSourceKind::kGrouped;
    default:
      return absl::InvalidArgumentError("cache: table_source: give buddy, boot_reserve or grouped");
  }
}

policy::GlobalCacheOptions GlobalFrom(const v1::CacheOptions& options) {
  return {.refill_order = model::Order(options.refill_order()),
          .shrink_below_free_per_mille = options.shrink_below_free_per_mille()};
}

absl::StatusOr<policy::CacheConfig> CacheFrom(const v1::CacheSpec& cache) {
  policy::CacheConfig config;
  switch (cache.type_case()) {
    case v1::CacheSpec::kNone:
      config.type = "none";
      return config;
    case v1::CacheSpec::kGlobal:
      config.type = "global";
      config.global = GlobalFrom(cache.global().options());
      return config;
    default:
      return absl::InvalidArgumentError("cache: this type is not modelled yet; take none or global");
  }
}

uint64_t MaxOf(bool has_max, uint64_t max) { return has_max ? max : std::numeric_limits<uint64_t>::max(); }

absl::StatusOr<workload::Distribution> LognormalFrom(const v1::LognormalDistribution& d, const std::string& field) {
  const uint64_t max = MaxOf(d.has_max(), d.max());
  if (d.has_p99() && d.median() >= 1 && d.p99() >= d.median()) {
    return workload::Lognormal::OfP99(d.median(), d.p99(), max);
  }
  if (d.has_sigma_thousandths() && d.sigma_thousandths() <= 10000) {
    return workload::Lognormal::OfSigma(d.median(), d.sigma_thousandths(), max);
  }
  return absl::InvalidArgumentError(absl::StrCat(field, ": give sigma up to 10, or p99 not below the median"));
}

absl::StatusOr<workload::Distribution> ParetoFrom(const v1::ParetoDistribution& d, const std::string& field) {
  if (d.alpha_thousandths() < 100) return absl::InvalidArgumentError(absl::StrCat(field, ": give alpha from 0.1 on"));
  return workload::Pareto::OfAlpha(d.min(), d.alpha_thousandths(), MaxOf(d.has_max(), d.max()));
}

absl::StatusOr<workload::Distribution> EmpiricalFrom(const v1::EmpiricalDistribution& d, const std::string& field) {
  const bool weighted = std::all_of(d.weights().begin(), d.weights().end(), [](uint64_t weight) {
    return weight >= 1 && weight <= std::numeric_limits<uint32_t>::max();
  });
  if (d.values().empty() || d.values_size() != d.weights_size() || !weighted) {
    return absl::InvalidArgumentError(absl::StrCat(field, ": give values, and a positive weight for each"));
  }
  return workload::Empirical::Of({d.values().begin(), d.values().end()}, {d.weights().begin(), d.weights().end()});
}

absl::StatusOr<workload::Distribution> DistributionFrom(const v1::Distribution& distribution,
                                                        const std::string& field) {
  switch (distribution.shape_case()) {
    case v1::Distribution::kConstant:
      return workload::Constant{distribution.constant().value()};
    case v1::Distribution::kUniform:
      if (distribution.uniform().min() > distribution.uniform().max()) break;
      return workload::Uniform{distribution.uniform().min(), distribution.uniform().max()};
    case v1::Distribution::kExponential:
      return workload::Exponential{distribution.exponential().mean()};
    case v1::Distribution::kLognormal:
      return LognormalFrom(distribution.lognormal(), field + ".lognormal");
    case v1::Distribution::kPareto:
      return ParetoFrom(distribution.pareto(), field + ".pareto");
    case v1::Distribution::kEmpirical:
      return EmpiricalFrom(distribution.empirical(), field + ".empirical");
    case v1::Distribution::SHAPE_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError(absl::StrCat(field, ": give a distribution; a uniform one with min <= max"));
}

absl::StatusOr<model::Migratetype> MigratetypeFrom(v1::Migratetype type, const std::string& field) {
  switch (type) {
    case v1::MIGRATETYPE_UNMOVABLE:
      return model::Migratetype::kUnmovable;
    case v1::MIGRATETYPE_MOVABLE:
      return model::Migratetype::kMovable;
    case v1::MIGRATETYPE_RECLAIMABLE:
      return model::Migratetype::kReclaimable;
    default:
      return absl::InvalidArgumentError(absl::StrCat(field, ": give unmovable, movable or reclaimable"));
  }
}

// A distribution of a user's: where it is, what the spec calls it, and where it goes.
struct DistributionField {
  const v1::Distribution& from;
  const char* name;
  workload::Distribution* to;
};

absl::Status ReadDistributions(const std::string& user, std::initializer_list<DistributionField> fields) {
  for (const DistributionField& field : fields) {
    ASSIGN_OR_RETURN(*field.to, DistributionFrom(field.from, absl::StrCat(user, ".", field.name)));
  }
  return absl::OkStatus();
}

// A kind whose objects are pages, or blocks of one order.
template <typename Config, typename User>
absl::StatusOr<Config> PagesFrom(const User& user, const std::string& field) {
  Config config;
  RETURN_IF_ERROR(ReadDistributions(field, {{user.interval_us(), "interval_us", &config.interval_us},
                                            {user.size_pages(), "size_pages", &config.size_pages},
                                            {user.lifetime_us(), "lifetime_us", &config.lifetime_us}}));
  return config;
}
template <typename Config, typename User>
absl::StatusOr<Config> BlocksFrom(const User& user, const std::string& field) {
  Config config;
  RETURN_IF_ERROR(ReadDistributions(field, {{user.interval_us(), "interval_us", &config.interval_us},
                                            {user.size_allocations(), "size_allocations", &config.size_allocations},
                                            {user.lifetime_us(), "lifetime_us", &config.lifetime_us}}));
  return config;
}
template <typename Config, typename User>
absl::StatusOr<Config> BlocksOfOrderFrom(const User& user, const std::string& field) {
  ASSIGN_OR_RETURN(Config config, BlocksFrom<Config>(user, field));
  config.order = model::Order(user.order());
  return config;
}

absl::StatusOr<workload::SecretmemConfig> ConfigFrom(const v1::SecretmemUser& user, const std::string& field) {
  return PagesFrom<workload::SecretmemConfig>(user, field);
}

absl::StatusOr<workload::OrdinaryConfig> ConfigFrom(const v1::OrdinaryUser& user, const std::string& field) {
  ASSIGN_OR_RETURN(workload::OrdinaryConfig config, BlocksOfOrderFrom<workload::OrdinaryConfig>(user, field));
  ASSIGN_OR_RETURN(config.type, MigratetypeFrom(user.migratetype(), field + ".migratetype"));
  return config;
}

workload::PhaseConfig PhaseFrom(const v1::Phase& phase) {
  workload::PhaseConfig config{.window = {.start_us = phase.start_us(),
                                          .duration_us = phase.duration_us(),
                                          .every_us = phase.every_us(),
                                          .rate_thousandths = phase.rate_thousandths()},
                               .rates = {}};
  for (const v1::PhaseRate& rate : phase.rates()) config.rates.push_back({rate.user(), rate.rate_thousandths()});
  return config;
}

absl::StatusOr<workload::BpfConfig> ConfigFrom(const v1::BpfUser& user, const std::string& field) {
  workload::BpfConfig config;
  RETURN_IF_ERROR(ReadDistributions(field, {{user.interval_us(), "interval_us", &config.interval_us},
                                            {user.size_pages(), "size_pages", &config.size_pages},
                                            {user.image_bytes(), "image_bytes", &config.image_bytes},
                                            {user.lifetime_us(), "lifetime_us", &config.lifetime_us}}));
  return config;
}

absl::StatusOr<workload::PageCacheConfig> ConfigFrom(const v1::PageCacheUser& user, const std::string& field) {
  workload::PageCacheConfig config;
  RETURN_IF_ERROR(ReadDistributions(field, {{user.interval_us(), "interval_us", &config.interval_us},
                                            {user.size_pages(), "size_pages", &config.size_pages}}));
  config.read_again_percent = user.read_again_percent();
  return config;
}

absl::StatusOr<workload::AnonymousConfig> ConfigFrom(const v1::AnonymousUser& user, const std::string& field) {
  return PagesFrom<workload::AnonymousConfig>(user, field);
}
absl::StatusOr<workload::HugePageConfig> ConfigFrom(const v1::HugePageUser& user, const std::string& field) {
  return BlocksFrom<workload::HugePageConfig>(user, field);
}
absl::StatusOr<workload::SlabConfig> ConfigFrom(const v1::SlabUser& user, const std::string& field) {
  ASSIGN_OR_RETURN(workload::SlabConfig config, BlocksOfOrderFrom<workload::SlabConfig>(user, field));
  config.reclaimable = user.reclaimable();
  return config;
}
absl::StatusOr<workload::NetworkConfig> ConfigFrom(const v1::NetworkUser& user, const std::string& field) {
  return BlocksOfOrderFrom<workload::NetworkConfig>(user, field);
}

absl::StatusOr<workload::PageTablesConfig> ConfigFrom(const v1::PageTablesUser& user, const std::string& field) {
  return PagesFrom<workload::PageTablesConfig>(user, field);
}
absl::StatusOr<workload::GuestMemoryConfig> ConfigFrom(const v1::GuestMemoryUser& user, const std::string& field) {
  return PagesFrom<workload::GuestMemoryConfig>(user, field);
}
absl::StatusOr<workload::XpfoConfig> ConfigFrom(const v1::XpfoUser& user, const std::string& field) {
  return PagesFrom<workload::XpfoConfig>(user, field);
}
absl::StatusOr<workload::MemoryFailureConfig> ConfigFrom(const v1::MemoryFailureUser& user, const std::string& field) {
  return PagesFrom<workload::MemoryFailureConfig>(user, field);
}
absl::StatusOr<workload::UncachedConfig> ConfigFrom(const v1::UncachedUser& user, const std::string& field) {
  return BlocksOfOrderFrom<workload::UncachedConfig>(user, field);
}
absl::StatusOr<workload::DmaConfig> ConfigFrom(const v1::DmaUser& user, const std::string& field) {
  return BlocksOfOrderFrom<workload::DmaConfig>(user, field);
}
absl::StatusOr<workload::GraphicsConfig> ConfigFrom(const v1::GraphicsUser& user, const std::string& field) {
  using MemoryType = workload::GraphicsConfig::MemoryType;
  ASSIGN_OR_RETURN(workload::GraphicsConfig config, BlocksOfOrderFrom<workload::GraphicsConfig>(user, field));
  const bool is_uncached = user.memory_type() == v1::MEMORY_TYPE_UNCACHED;
  config.memory_type = is_uncached ? MemoryType::kUncached : MemoryType::kWriteCombining;
  config.pool_per_mille = user.pool_per_mille();
  return config;
}
absl::StatusOr<workload::ModuleConfig> ConfigFrom(const v1::ModuleUser& user, const std::string& field) {
  return PagesFrom<workload::ModuleConfig>(user, field);
}
absl::StatusOr<workload::TrampolineConfig> ConfigFrom(const v1::TrampolineUser& user, const std::string& field) {
  return PagesFrom<workload::TrampolineConfig>(user, field);
}
absl::StatusOr<workload::VmallocConfig> ConfigFrom(const v1::VmallocUser& user, const std::string& field) {
  return PagesFrom<workload::VmallocConfig>(user, field);
}

// What the user is: one line a kind.
absl::Status SetKind(const v1::User& user, const std::string& path, workload::UserConfig& config) {
  const auto set = [&](const auto& kind, const char* name) -> absl::Status {
    ASSIGN_OR_RETURN(config.kind, ConfigFrom(kind, absl::StrCat(path, ".", name)));
    return absl::OkStatus();
  };
  switch (user.kind_case()) {
    case v1::User::kSecretmem:
      return set(user.secretmem(), "secretmem");
    case v1::User::kOrdinary:
      return set(user.ordinary(), "ordinary");
    case v1::User::kBpf:
      return set(user.bpf(), "bpf");
    case v1::User::kPageCache:
      return set(user.page_cache(), "page_cache");
    case v1::User::kAnonymous:
      return set(user.anonymous(), "anonymous");
    case v1::User::kHugePage:
      return set(user.huge_page(), "huge_page");
    case v1::User::kSlab:
      return set(user.slab(), "slab");
    case v1::User::kNetwork:
      return set(user.network(), "network");
    case v1::User::kPageTables:
      return set(user.page_tables(), "page_tables");
    case v1::User::kGuestMemory:
      return set(user.guest_memory(), "guest_memory");
    case v1::User::kXpfo:
      return set(user.xpfo(), "xpfo");
    case v1::User::kGraphics:
      return set(user.graphics(), "graphics");
    case v1::User::kUncached:
      return set(user.uncached(), "uncached");
    case v1::User::kMemoryFailure:
      return set(user.memory_failure(), "memory_failure");
    case v1::User::kDma:
      return set(user.dma(), "dma");
    case v1::User::kModule:
      return set(user.module(), "module");
    case v1::User::kTrampoline:
      return set(user.trampoline(), "trampoline");
    case v1::User::kVmalloc:
      return set(user.vmalloc(), "vmalloc");
    default:
      break;
  }
  return absl::InvalidArgumentError(absl::StrCat(path, ": needs a kind of user that a model implements"));
}

absl::StatusOr<workload::MixConfig> MixFrom(const v1::Mix& mix, const std::string& place) {
  workload::MixConfig config;
  for (const v1::User& user : mix.users()) {
    workload::UserConfig& one = config.users.emplace_back();
    one.name = user.name();
    one.rate_thousandths = user.rate_thousandths();
    RETURN_IF_ERROR(SetKind(user, absl::StrCat(place, ".users[", user.name(), "]"), one));
  }
  for (const v1::Phase& phase : mix.phases()) config.phases.push_back(PhaseFrom(phase));
  return config;
}

absl::StatusOr<cost::CpuModel> CpuFrom(v1::CpuProfile profile) {
  switch (profile) {
    case v1::CPU_PROFILE_SKYLAKE_SP:
      return cost::CpuModel::kSkylakeSp;
    case v1::CPU_PROFILE_ICE_LAKE_SP:
      return cost::CpuModel::kIceLakeSp;
    case v1::CPU_PROFILE_SAPPHIRE_RAPIDS:
      return cost::CpuModel::kSapphireRapids;
    case v1::CPU_PROFILE_ZEN_1:
      return cost::CpuModel::kZen1;
    case v1::CPU_PROFILE_ZEN_2:
      return cost::CpuModel::kZen2;
    case v1::CPU_PROFILE_ZEN_3:
      return cost::CpuModel::kZen3;
    case v1::CPU_PROFILE_ZEN_4:
      return cost::CpuModel::kZen4;
    case v1::CPU_PROFILE_ZEN_5:
      return cost::CpuModel::kZen5;
    default:
      return absl::InvalidArgumentError(absl::StrCat("machine.cpu_profile: ", v1::CpuProfile_Name(profile),
                                                     " is not modelled; take CPU_PROFILE_SKYLAKE_SP to _ZEN_5"));
  }
}

// REQUIRES: spec.machine().cpu_profile() is set.
absl::StatusOr<experiment::CostConfig> CostFrom(const v1::MachineSpec& machine, int64_t memory_bytes) {
  const v1::CostSpec& spec = machine.cost();
  experiment::CostConfig config;
  ASSIGN_OR_RETURN(config.cpu, CpuFrom(machine.cpu_profile()));
  config.targets = {
      .cpus = machine.cpus(), .isolated = spec.isolated_cpus(), .interrupts_per_mille = cost::FlushTargets::kUnknown};
  if (spec.sent_interrupts_per_mille() != 0) {
    config.targets.interrupts_per_mille = cost::Range::Exactly(spec.sent_interrupts_per_mille());
  }
  config.working_sets = cost::WorkingSets::Guess(memory_bytes);
  const auto set = [](uint64_t bytes, cost::WorkingSet& target) {
    if (bytes != 0) target.bytes = cost::Range::Exactly(static_cast<int64_t>(bytes));
  };
  set(spec.kernel_working_set_bytes(), config.working_sets.kernel_cold);
  set(spec.user_4k_working_set_bytes(), config.working_sets.user_4k);
  set(spec.user_2m_working_set_bytes(), config.working_sets.user_2m);
  return config;
}

}  // namespace

absl::StatusOr<experiment::RunConfig> RunConfigFromSpec(const v1::JobSpec& spec, const CaptureSource& captures) {
  ASSIGN_OR_RETURN(StartingMachine machine, MachineFrom(spec, captures));
  experiment::RunConfig config{.machine = std::move(machine.config),
                               .start = std::move(machine.start),
                               .cache = {},
                               .mix = {},
                               .length = {.duration_us = spec.length().duration_us(),
                                          .warmup_us = spec.length().warmup_us(),
                                          .sample_interval_us = spec.length().sample_interval_us(),
                                          .max_operations = spec.length().max_operations()},
                               .seed = spec.seed()};
  if (spec.machine().cpu_profile() != v1::CPU_PROFILE_UNSPECIFIED) {
    const uint64_t memory_bytes = config.machine.memory.total().raw() * model::kFrameBytes;
    ASSIGN_OR_RETURN(config.cost, CostFrom(spec.machine(), static_cast<int64_t>(memory_bytes)));
  }
  ASSIGN_OR_RETURN(config.cache, CacheFrom(spec.cache()));
  ASSIGN_OR_RETURN(config.machine.table_source, TableSourceFrom(spec.cache()));
  ASSIGN_OR_RETURN(config.mix, MixFrom(spec.workload().mix(), "workload.mix"));
  if (spec.ageing().has_mix()) {
    config.ageing.emplace();
    config.ageing->duration_us = spec.ageing().duration_us();
    ASSIGN_OR_RETURN(config.ageing->mix, MixFrom(spec.ageing().mix(), "ageing.mix"));
  }
  return config;
}

}  // namespace dmfrag::convert
