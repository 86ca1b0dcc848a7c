#ifndef DMFRAG_WORKER_CONVERT_CACHE_FROM_PROTO_H_
#define DMFRAG_WORKER_CONVERT_CACHE_FROM_PROTO_H_

#include "absl/status/statusor.h"
#include "dmfrag/v1/cache.pb.h"
#include "worker/model/table_sources.h"
#include "worker/policy/registry.h"

namespace dmfrag::convert {

// The cache type of a canonical spec, with its options. Errors: kInvalidArgument if no type is set, or an option has a
// value that its type refuses; the text says why.
absl::StatusOr<policy::CacheConfig> CacheFrom(const v1::CacheSpec& cache);

// Where page tables of splits come from at first; kBuddy where the cache gives them.
absl::StatusOr<model::TableSourceKind> TableSourceFrom(const v1::CacheSpec& cache);

}  // namespace dmfrag::convert

#endif  // DMFRAG_WORKER_CONVERT_CACHE_FROM_PROTO_H_
