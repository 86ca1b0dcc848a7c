#include "worker/convert/mix_from_proto.h"

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "proto/support/mix_limits.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/model/units.h"

namespace dmfrag::convert {
namespace {

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

absl::StatusOr<workload::OrdinaryConfig> OrdinaryFrom(const v1::OrdinaryUser& user, const std::string& field) {
  ASSIGN_OR_RETURN(workload::OrdinaryConfig config, BlocksOfOrderFrom<workload::OrdinaryConfig>(user, field));
  ASSIGN_OR_RETURN(config.type, MigratetypeFrom(user.migratetype(), field + ".migratetype"));
  return config;
}

absl::StatusOr<workload::BpfConfig> BpfFrom(const v1::BpfUser& user, const std::string& field) {
  workload::BpfConfig config;
  RETURN_IF_ERROR(ReadDistributions(field, {{user.interval_us(), "interval_us", &config.interval_us},
                                            {user.size_pages(), "size_pages", &config.size_pages},
                                            {user.image_bytes(), "image_bytes", &config.image_bytes},
                                            {user.lifetime_us(), "lifetime_us", &config.lifetime_us}}));
  return config;
}

absl::StatusOr<workload::PageCacheConfig> PageCacheFrom(const v1::PageCacheUser& user, const std::string& field) {
  workload::PageCacheConfig config;
  RETURN_IF_ERROR(ReadDistributions(field, {{user.interval_us(), "interval_us", &config.interval_us},
                                            {user.size_pages(), "size_pages", &config.size_pages}}));
  config.read_again_percent = user.read_again_percent();
  return config;
}

absl::StatusOr<workload::SlabConfig> SlabFrom(const v1::SlabUser& user, const std::string& field) {
  ASSIGN_OR_RETURN(workload::SlabConfig config, BlocksOfOrderFrom<workload::SlabConfig>(user, field));
  config.reclaimable = user.reclaimable();
  return config;
}

absl::StatusOr<workload::GraphicsConfig> GraphicsFrom(const v1::GraphicsUser& user, const std::string& field) {
  using MemoryType = workload::GraphicsConfig::MemoryType;
  ASSIGN_OR_RETURN(workload::GraphicsConfig config, BlocksOfOrderFrom<workload::GraphicsConfig>(user, field));
  const bool is_uncached = user.memory_type() == v1::MEMORY_TYPE_UNCACHED;
  config.memory_type = is_uncached ? MemoryType::kUncached : MemoryType::kWriteCombining;
  config.pool_per_mille = user.pool_per_mille();
  return config;
}

// What the user is: one line a kind.
absl::Status SetKind(const v1::User& user, const std::string& path, workload::UserConfig& config) {
  const google::protobuf::FieldDescriptor* kind = KindOf(user);
  const std::string field = absl::StrCat(path, ".", kind == nullptr ? "" : kind->name());
  const auto set = [&](auto read) -> absl::Status {
    ASSIGN_OR_RETURN(config.kind, std::move(read));
    return absl::OkStatus();
  };
  switch (user.kind_case()) {
    case v1::User::kSecretmem:
      return set(PagesFrom<workload::SecretmemConfig>(user.secretmem(), field));
    case v1::User::kOrdinary:
      return set(OrdinaryFrom(user.ordinary(), field));
    case v1::User::kBpf:
      return set(BpfFrom(user.bpf(), field));
    case v1::User::kPageCache:
      return set(PageCacheFrom(user.page_cache(), field));
    case v1::User::kPageTables:
      return set(PagesFrom<workload::PageTablesConfig>(user.page_tables(), field));
    case v1::User::kModule:
      return set(PagesFrom<workload::ModuleConfig>(user.module(), field));
    case v1::User::kTrampoline:
      return set(PagesFrom<workload::TrampolineConfig>(user.trampoline(), field));
    case v1::User::kGuestMemory:
      return set(PagesFrom<workload::GuestMemoryConfig>(user.guest_memory(), field));
    case v1::User::kXpfo:
      return set(PagesFrom<workload::XpfoConfig>(user.xpfo(), field));
    case v1::User::kGraphics:
      return set(GraphicsFrom(user.graphics(), field));
    case v1::User::kUncached:
      return set(BlocksOfOrderFrom<workload::UncachedConfig>(user.uncached(), field));
    case v1::User::kVmalloc:
      return set(PagesFrom<workload::VmallocConfig>(user.vmalloc(), field));
    case v1::User::kMemoryFailure:
      return set(PagesFrom<workload::MemoryFailureConfig>(user.memory_failure(), field));
    case v1::User::kDma:
      return set(BlocksOfOrderFrom<workload::DmaConfig>(user.dma(), field));
    case v1::User::kAnonymous:
      return set(PagesFrom<workload::AnonymousConfig>(user.anonymous(), field));
    case v1::User::kHugePage:
      return set(BlocksFrom<workload::HugePageConfig>(user.huge_page(), field));
    case v1::User::kSlab:
      return set(SlabFrom(user.slab(), field));
    case v1::User::kNetwork:
      return set(BlocksOfOrderFrom<workload::NetworkConfig>(user.network(), field));
    default:
      break;
  }
  return absl::InvalidArgumentError(absl::StrCat(path, ": needs a kind of user that a model implements"));
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

}  // namespace

absl::StatusOr<workload::MixConfig> MixFrom(const v1::Mix& mix, const std::string& place) {
  workload::MixConfig config;
  for (const v1::User& user : mix.users()) {
    workload::UserConfig& one = config.users.emplace_back();
    one.name = user.name();
    one.rate_thousandths = user.rate_thousandths();
    one.atomic_per_mille = user.atomic_per_mille();
    RETURN_IF_ERROR(SetKind(user, absl::StrCat(place, ".users[", user.name(), "]"), one));
  }
  for (const v1::Phase& phase : mix.phases()) config.phases.push_back(PhaseFrom(phase));
  return config;
}

}  // namespace dmfrag::convert
