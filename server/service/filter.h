#ifndef DMFRAG_SERVER_SERVICE_FILTER_H_
#define DMFRAG_SERVER_SERVICE_FILTER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/store.h"

namespace dmfrag::server {

// Parses ListResultsRequest.filter: comparisons joined by AND, each `name operator value`; a value is an integer, or
// for `state` a name such as SUCCEEDED. Names of fields are checked by the store. Errors: kInvalidArgument with the
// column.
absl::StatusOr<std::vector<storage::Comparison>> ParseFilter(const std::string& filter);

}  // namespace dmfrag::server

#endif  // DMFRAG_SERVER_SERVICE_FILTER_H_
