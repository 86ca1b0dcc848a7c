#include "worker/convert/run_config_from_spec.h"

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "third_party/abseil_extras/status_macros.h"

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

absl::StatusOr<workload::SecretmemConfig> ConfigFrom(const v1::SecretmemUser& user, const std::string& field) {
  workload::SecretmemConfig config;
  RETURN_IF_ERROR(ReadDistributions(field, {{user.interval_us(), "interval_us", &config.interval_us},
                                            {user.size_pages(), "size_pages", &config.size_pages},
                                            {user.lifetime_us(), "lifetime_us", &config.lifetime_us}}));
  return config;
}

absl::StatusOr<workload::OrdinaryConfig> ConfigFrom(const v1::OrdinaryUser& user, const std::string& field) {
  workload::OrdinaryConfig config;
  ASSIGN_OR_RETURN(config.type, MigratetypeFrom(user.migratetype(), field + ".migratetype"));
  config.order = model::Order(user.order());
  RETURN_IF_ERROR(ReadDistributions(field, {{user.interval_us(), "interval_us", &config.interval_us},
                                            {user.size_allocations(), "size_allocations", &config.size_allocations},
                                            {user.lifetime_us(), "lifetime_us", &config.lifetime_us}}));
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
    case v1::User::KIND_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError(absl::StrCat(path, ": needs a kind: secretmem, ordinary, bpf or page_cache"));
}

absl::StatusOr<workload::MixConfig> MixFrom(const v1::Mix& mix) {
  workload::MixConfig config;
  for (int i = 0; i < mix.users_size(); ++i) {
    const v1::User& user = mix.users(i);
    workload::UserConfig& one = config.users.emplace_back();
    one.name = user.name();
    one.start_us = user.start_us();
    one.stop_us = user.stop_us();
    RETURN_IF_ERROR(SetKind(user, absl::StrCat("workload.mix.users[", i, "]"), one));
  }
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
  ASSIGN_OR_RETURN(config.cache, CacheFrom(spec.cache()));
  ASSIGN_OR_RETURN(config.machine.table_source, TableSourceFrom(spec.cache()));
  ASSIGN_OR_RETURN(config.mix, MixFrom(spec.workload().mix()));
  return config;
}

}  // namespace dmfrag::convert
