#include "worker/convert/run_config_from_spec.h"

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/cost/cpu_profile.h"
#include "worker/cost/operation_cost.h"
#include "worker/cost/range.h"
#include "worker/cost/tlb_model.h"
#include "worker/experiment/cost_account.h"
#include "worker/model/units.h"

namespace dmfrag::convert {
namespace {

absl::StatusOr<model::KernelRelease> ReleaseFrom(v1::KernelRelease release, const char* field) {
  switch (release) {
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
                                                     " is not modelled; take KERNEL_RELEASE_6_1 to _7_3"));
  }
}

absl::StatusOr<model::MemoryMap> MemoryFrom(const v1::MachineSpec& machine) {
  if (machine.e820().empty()) return model::MemoryMap::Pc(machine.memory_bytes());
  std::vector<model::ByteRange> ranges;
  for (const v1::MemoryRange& range : machine.e820()) ranges.push_back({range.start_bytes(), range.end_bytes()});
  return model::MemoryMap::FromUsableRanges(ranges);
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
    case v1::Distribution::SHAPE_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError(absl::StrCat(field, ": give constant, uniform with min <= max, or exponential"));
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

absl::StatusOr<workload::SecretmemConfig> SecretmemFrom(const v1::SecretmemUser& user, const std::string& field) {
  workload::SecretmemConfig config;
  ASSIGN_OR_RETURN(config.interval_us, DistributionFrom(user.interval_us(), field + ".interval_us"));
  ASSIGN_OR_RETURN(config.size_pages, DistributionFrom(user.size_pages(), field + ".size_pages"));
  ASSIGN_OR_RETURN(config.lifetime_us, DistributionFrom(user.lifetime_us(), field + ".lifetime_us"));
  return config;
}

absl::StatusOr<workload::OrdinaryConfig> OrdinaryFrom(const v1::OrdinaryUser& user, const std::string& field) {
  workload::OrdinaryConfig config;
  ASSIGN_OR_RETURN(config.type, MigratetypeFrom(user.migratetype(), field + ".migratetype"));
  config.order = model::Order(user.order());
  ASSIGN_OR_RETURN(config.interval_us, DistributionFrom(user.interval_us(), field + ".interval_us"));
  ASSIGN_OR_RETURN(config.size_allocations, DistributionFrom(user.size_allocations(), field + ".size_allocations"));
  ASSIGN_OR_RETURN(config.lifetime_us, DistributionFrom(user.lifetime_us(), field + ".lifetime_us"));
  return config;
}

absl::StatusOr<workload::MixConfig> MixFrom(const v1::Mix& mix) {
  workload::MixConfig config;
  for (int i = 0; i < mix.users_size(); ++i) {
    const v1::User& user = mix.users(i);
    const std::string field = absl::StrCat("workload.mix.users[", i, "]");
    if (user.has_secretmem()) {
      ASSIGN_OR_RETURN(auto secretmem, SecretmemFrom(user.secretmem(), field + ".secretmem"));
      config.users.push_back({user.name(), std::move(secretmem)});
    } else if (user.has_ordinary()) {
      ASSIGN_OR_RETURN(auto ordinary, OrdinaryFrom(user.ordinary(), field + ".ordinary"));
      config.users.push_back({user.name(), std::move(ordinary)});
    } else {
      return absl::InvalidArgumentError(absl::StrCat(field, ": needs a kind: secretmem or ordinary"));
    }
  }
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

absl::StatusOr<experiment::RunConfig> RunConfigFromSpec(const v1::JobSpec& spec) {
  const v1::MachineSpec& machine = spec.machine();
  ASSIGN_OR_RETURN(model::MemoryMap memory, MemoryFrom(machine));
  experiment::RunConfig config{.machine = {.memory = std::move(memory),
                                           .mapping = {.gbpages = machine.gbpages(),
                                                       .pse = machine.pse(),
                                                       .debug_pagealloc = machine.debug_pagealloc()},
                                           .cpus = machine.cpus()},
                               .cache = {},
                               .mix = {},
                               .length = {.duration_us = spec.length().duration_us(),
                                          .warmup_us = spec.length().warmup_us(),
                                          .sample_interval_us = spec.length().sample_interval_us(),
                                          .max_operations = spec.length().max_operations()},
                               .seed = spec.seed()};
  ASSIGN_OR_RETURN(config.machine.allocator_release,
                   ReleaseFrom(spec.kernel().allocator_release(), "kernel.allocator_release"));
  ASSIGN_OR_RETURN(config.machine.cpa_release, ReleaseFrom(spec.kernel().cpa_release(), "kernel.cpa_release"));
  if (machine.cpu_profile() != v1::CPU_PROFILE_UNSPECIFIED) {
    const uint64_t memory_bytes = config.machine.memory.total().raw() * model::kFrameBytes;
    ASSIGN_OR_RETURN(config.cost, CostFrom(machine, static_cast<int64_t>(memory_bytes)));
  }
  ASSIGN_OR_RETURN(config.cache, CacheFrom(spec.cache()));
  ASSIGN_OR_RETURN(config.machine.table_source, TableSourceFrom(spec.cache()));
  ASSIGN_OR_RETURN(config.mix, MixFrom(spec.workload().mix()));
  return config;
}

}  // namespace dmfrag::convert
