#ifndef DMFRAG_WORKER_POLICY_REGISTRY_H_
#define DMFRAG_WORKER_POLICY_REGISTRY_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/model/machine.h"
#include "worker/policy/global.h"
#include "worker/policy/interface.h"
#include "worker/policy/per_user.h"

namespace dmfrag::policy {

// Which cache type, and its options. Those of other types are ignored.
struct CacheConfig {
  std::string type = "none";
  GlobalCacheOptions global = {};
  PerUserCacheOptions per_user = {};
};

// What a cache type is, for people.
struct CacheTypeInfo {
  std::string name;
  std::string summary;  // one line
  std::string source;   // where it comes from
};

// Every cache type, in the order people should see them.
const std::vector<CacheTypeInfo>& CacheTypes();

// A cache of the configured type on `machine`, which must outlive it.
// Errors: kInvalidArgument if there is no such type (the text lists them), or an option is out of range.
absl::StatusOr<std::unique_ptr<CacheType>> MakeCache(const CacheConfig& config, model::Machine* machine);

}  // namespace dmfrag::policy

#endif  // DMFRAG_WORKER_POLICY_REGISTRY_H_
