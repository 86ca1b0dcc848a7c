#include "worker/policy/registry.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/policy/none.h"

namespace dmfrag::policy {
namespace {

using Maker = absl::StatusOr<std::unique_ptr<CacheType>> (*)(const CacheConfig&, model::Machine*);

struct Registered {
  CacheTypeInfo info;
  Maker make;
};

absl::StatusOr<std::unique_ptr<CacheType>> MakeNone(const CacheConfig&, model::Machine* machine) {
  return std::make_unique<NoneCache>(machine);
}

// Of the options that types with blocks share.
template <typename Options>
absl::Status CheckOptions(const std::string& path, const Options& options) {
  if (options.refill_order > model::kPageblockOrder) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ".refill_order is ", options.refill_order.raw(), "; give 0 to 9"));
  }
  if (options.shrink_below_free_per_mille > 1000) {
    return absl::InvalidArgumentError(absl::StrCat(path, ".shrink_below_free_per_mille is ",
                                                   options.shrink_below_free_per_mille, "; give 0 to 1000"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<CacheType>> MakeGlobal(const CacheConfig& config, model::Machine* machine) {
  RETURN_IF_ERROR(CheckOptions("cache.global.options", config.global));
  return std::make_unique<GlobalCache>(machine, config.global);
}

absl::StatusOr<std::unique_ptr<CacheType>> MakePerUser(const CacheConfig& config, model::Machine* machine) {
  RETURN_IF_ERROR(CheckOptions("cache.per_user", config.per_user));
  return std::make_unique<PerUserCache>(machine, config.per_user);
}

const std::vector<Registered>& Registry() {
  static const auto& registry = *new std::vector<Registered>{
      {{"none", "order-0 pages from anywhere, large pages split for ever", "mainline, mm/secretmem.c"}, MakeNone},
      {{"global", "one cache of 4K-mapped pages for all users, refilled by 2M blocks", "RFC of August 2021, patch 3/4"},
       MakeGlobal},
      {{"per_user", "a cache for each user, refilled by 2M blocks",
        "seed letter, Alternatives; grouped pages of the PKS series, 2021"},
       MakePerUser},
  };
  return registry;
}

}  // namespace

const std::vector<CacheTypeInfo>& CacheTypes() {
  static const auto& types = *[] {
    auto* infos = new std::vector<CacheTypeInfo>;
    for (const Registered& registered : Registry()) infos->push_back(registered.info);
    return infos;
  }();
  return types;
}

absl::StatusOr<std::unique_ptr<CacheType>> MakeCache(const CacheConfig& config, model::Machine* machine) {
  std::vector<std::string> names;
  for (const Registered& registered : Registry()) {
    if (registered.info.name == config.type) return registered.make(config, machine);
    names.push_back(registered.info.name);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("cache type \"", config.type, "\" is not known; take one of ", absl::StrJoin(names, ", ")));
}

}  // namespace dmfrag::policy
