#ifndef DMFRAG_STORAGE_RESULT_FILTER_H_
#define DMFRAG_STORAGE_RESULT_FILTER_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"
#include "storage/store.h"

namespace dmfrag::storage {

enum class FilterField { kPoint, kReplicate, kState, kMetric };
enum class FilterOperator { kEqual, kNotEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };

// A Comparison whose names are known.
struct CheckedComparison {
  FilterField field;
  const google::protobuf::FieldDescriptor* metric;  // for kMetric, else null
  FilterOperator op;
  int64_t value;
};

// Errors: kInvalidArgument, naming the unknown field and the known ones nearest to it, or the unknown operator.
absl::StatusOr<CheckedComparison> CheckComparison(const Comparison& comparison);

// What every store checks of a query before it looks for rows. Errors: kInvalidArgument.
absl::StatusOr<std::vector<CheckedComparison>> CheckQuery(const ResultQuery& query);

// True if `left` stands so to the comparison's value. An absent value matches nothing, != included.
bool Matches(const CheckedComparison& comparison, std::optional<int64_t> left);

// How the operator is written, in ListResultsRequest.filter and in SQL.
const char* OperatorText(FilterOperator op);

}  // namespace dmfrag::storage

#endif  // DMFRAG_STORAGE_RESULT_FILTER_H_
