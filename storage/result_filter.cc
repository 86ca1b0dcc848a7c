#include "storage/result_filter.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "storage/metric_fields.h"
#include "third_party/abseil_extras/status_macros.h"

namespace dmfrag::storage {
namespace {

constexpr std::pair<const char*, FilterField> kFixedFields[] = {
    {"point", FilterField::kPoint},
    {"replicate", FilterField::kReplicate},
    {"state", FilterField::kState},
};

constexpr std::pair<const char*, FilterOperator> kOperators[] = {
    {"=", FilterOperator::kEqual},        {"!=", FilterOperator::kNotEqual}, {"<", FilterOperator::kLess},
    {"<=", FilterOperator::kLessOrEqual}, {">", FilterOperator::kGreater},   {">=", FilterOperator::kGreaterOrEqual},
};

// A user's typing error is a short text: a longer one is no near miss of any name, and would cost its length squared.
constexpr size_t kLongestName = 64;
constexpr size_t kNearNames = 3;

// Levenshtein: insertions, deletions and replacements that turn `a` into `b`.
size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replaced}));
    }
  }
  return row.back();
}

std::vector<std::string> NearNames(const std::string& unknown) {
  std::vector<std::string> names;
  for (const auto& [name, field] : kFixedFields) names.emplace_back(name);
  for (const auto* field : MetricFields()) names.push_back(field->name());
  std::stable_sort(names.begin(), names.end(), [&](const std::string& a, const std::string& b) {
    return EditDistance(unknown, a) < EditDistance(unknown, b);
  });
  names.resize(kNearNames);
  return names;
}

absl::Status UnknownField(const std::string& field) {
  const std::string shown = field.size() <= kLongestName ? field : absl::StrCat(field.substr(0, kLongestName), "...");
  return absl::InvalidArgumentError(absl::StrCat("filter: unknown field \"", shown, "\"; the nearest are ",
                                                 absl::StrJoin(NearNames(field.substr(0, kLongestName)), ", "),
                                                 "; a filter compares metrics, point, replicate or state"));
}

absl::StatusOr<FilterOperator> FindOperator(const Comparison& comparison) {
  for (const auto& [text, op] : kOperators) {
    if (comparison.op == text) return op;
  }
  return absl::InvalidArgumentError(absl::StrCat("filter: unknown operator \"", comparison.op.substr(0, kLongestName),
                                                 "\" after \"", comparison.field, "\"; use =, !=, <, <=, > or >="));
}

}  // namespace

absl::StatusOr<CheckedComparison> CheckComparison(const Comparison& comparison) {
  CheckedComparison checked{FilterField::kMetric, nullptr, FilterOperator::kEqual, comparison.value};
  const auto* fixed = std::find_if(std::begin(kFixedFields), std::end(kFixedFields),
                                   [&](const auto& entry) { return comparison.field == entry.first; });
  if (fixed != std::end(kFixedFields)) {
    checked.field = fixed->second;
  } else {
    checked.metric = v1::Metrics::descriptor()->FindFieldByName(comparison.field);
    if (checked.metric == nullptr) return UnknownField(comparison.field);
  }
  ASSIGN_OR_RETURN(checked.op, FindOperator(comparison));
  return checked;
}

absl::StatusOr<std::vector<CheckedComparison>> CheckQuery(const ResultQuery& query) {
  if (query.limit < 1) return absl::InvalidArgumentError("a page of results needs a limit of 1 or more");
  std::vector<CheckedComparison> checked;
  for (const Comparison& comparison : query.where) {
    ASSIGN_OR_RETURN(CheckedComparison one, CheckComparison(comparison));
    checked.push_back(one);
  }
  return checked;
}

bool Matches(const CheckedComparison& comparison, std::optional<int64_t> left) {
  if (!left.has_value()) return false;
  switch (comparison.op) {
    case FilterOperator::kEqual:
      return *left == comparison.value;
    case FilterOperator::kNotEqual:
      return *left != comparison.value;
    case FilterOperator::kLess:
      return *left < comparison.value;
    case FilterOperator::kLessOrEqual:
      return *left <= comparison.value;
    case FilterOperator::kGreater:
      return *left > comparison.value;
    case FilterOperator::kGreaterOrEqual:
      return *left >= comparison.value;
  }
  return false;
}

const char* OperatorText(FilterOperator op) {
  for (const auto& [text, known] : kOperators) {
    if (op == known) return text;
  }
  return "=";
}

}  // namespace dmfrag::storage
