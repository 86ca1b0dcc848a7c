#include "worker/policy/registry.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "third_party/abseil_extras/status_macros.h"
#include "worker/policy/global.h"
#include "worker/policy/none.h"
#include "worker/policy/per_user.h"

namespace dmfrag::policy {
namespace {

struct Registered {
  const char* name;
  std::unique_ptr<CacheType> (*make)(model::Machine* machine, const CacheOptions& options);
};

template <typename Type>
std::unique_ptr<CacheType> Make(model::Machine* machine, const CacheOptions& options) {
  return std::make_unique<Type>(machine, options);
}

constexpr Registered kRegistry[] = {
    {"none", Make<NoneCache>},
    {"global", Make<GlobalCache>},
    {"per_user", Make<PerUserCache>},
};

absl::Status CheckOptions(const std::string& type, const CacheOptions& options) {
  if (options.refill_order > model::kPageblockOrder) {
    return absl::InvalidArgumentError(
        absl::StrCat("cache.", type, ".refill_order is ", options.refill_order.raw(), "; give 0 to 9"));
  }
  if (options.shrink_below_free_per_mille > 1000) {
    return absl::InvalidArgumentError(absl::StrCat("cache.", type, ".shrink_below_free_per_mille is ",
                                                   options.shrink_below_free_per_mille, "; give 0 to 1000"));
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<std::string> CacheTypeNames() {
  std::vector<std::string> names;
  for (const Registered& registered : kRegistry) names.push_back(registered.name);
  return names;
}

absl::StatusOr<std::unique_ptr<CacheType>> MakeCache(const CacheConfig& config, model::Machine* machine) {
  RETURN_IF_ERROR(CheckOptions(config.type, config.options));
  for (const Registered& registered : kRegistry) {
    if (registered.name == config.type) return registered.make(machine, config.options);
  }
  return absl::InvalidArgumentError(absl::StrCat("cache type \"", config.type, "\" is not known; take one of ",
                                                 absl::StrJoin(CacheTypeNames(), ", ")));
}

}  // namespace dmfrag::policy
