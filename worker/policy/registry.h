#ifndef DMFRAG_WORKER_POLICY_REGISTRY_H_
#define DMFRAG_WORKER_POLICY_REGISTRY_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/model/machine.h"
#include "worker/policy/cache_options.h"
#include "worker/policy/interface.h"

namespace dmfrag::policy {

// Which cache type, and its options.
struct CacheConfig {
  std::string type = "none";
  CacheOptions options = {};
};

// The type with the options that a spec without any has. REQUIRES: `type` is one of CacheTypeNames().
CacheConfig DefaultConfig(const std::string& type);

// Names of the cache types, in the order of proto/dmfrag/v1/cache.proto.
std::vector<std::string> CacheTypeNames();

// A cache of the configured type on `machine`, which must outlive it.
// Errors: kInvalidArgument if there is no such type (the text lists them). REQUIRES: options within the ranges that
// CacheOptions names.
absl::StatusOr<std::unique_ptr<CacheType>> MakeCache(const CacheConfig& config, model::Machine* machine);

}  // namespace dmfrag::policy

#endif  // DMFRAG_WORKER_POLICY_REGISTRY_H_
