#include "worker/policy/registry.h"

#include <algorithm>
#include <iterator>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "third_party/abseil_extras/check.h"
#include "worker/policy/debug_pagealloc.h"
#include "worker/policy/freetype.h"
#include "worker/policy/global.h"
#include "worker/policy/hierarchical.h"
#include "worker/policy/migratetype.h"
#include "worker/policy/none.h"
#include "worker/policy/per_user.h"
#include "worker/policy/rox_pack.h"
#include "worker/policy/unmapped_buddy.h"

namespace dmfrag::policy {
namespace {

using Entry = CacheOptions::Entry;

struct Registered {
  const char* name;
  std::unique_ptr<CacheType> (*make)(model::Machine* machine, const CacheOptions& options);
  CacheOptions defaults = {};  // worker/convert:cache_from_proto_test holds them against the protos
};

template <typename Type>
std::unique_ptr<CacheType> Make(model::Machine* machine, const CacheOptions& options) {
  return std::make_unique<Type>(machine, options);
}

constexpr Registered kRegistry[] = {
    {"none", Make<NoneCache>},
    {"debug_pagealloc", Make<DebugPageallocCache>},
    {"global", Make<GlobalCache>, {.entry = Entry::kRw4K, .free_path = CacheOptions::FreePath::kDivert}},
    {"per_user", Make<PerUserCache>},
    {"migratetype", Make<MigratetypeCache>},
    {"unmapped_buddy", Make<UnmappedBuddyCache>, {.entry = Entry::kNotPresent}},
    {"hierarchical", Make<HierarchicalCache>, {.entry = Entry::kNotPresent}},
    {"rox_pack", Make<RoxPackCache>},
    {"freetype", Make<FreetypeCache>},
};

}  // namespace

CacheConfig DefaultConfig(const std::string& type) {
  const auto found = std::find_if(std::begin(kRegistry), std::end(kRegistry),
                                  [&](const Registered& registered) { return registered.name == type; });
  CHECK(found != std::end(kRegistry));
  return {.type = type, .options = found->defaults};
}

std::vector<std::string> CacheTypeNames() {
  std::vector<std::string> names;
  for (const Registered& registered : kRegistry) names.push_back(registered.name);
  return names;
}

absl::StatusOr<std::unique_ptr<CacheType>> MakeCache(const CacheConfig& config, model::Machine* machine) {
  for (const Registered& registered : kRegistry) {
    if (registered.name == config.type) return registered.make(machine, config.options);
  }
  return absl::InvalidArgumentError(absl::StrCat("cache type \"", config.type, "\" is not known; take one of ",
                                                 absl::StrJoin(CacheTypeNames(), ", ")));
}

}  // namespace dmfrag::policy
