#include "proto/support/spelling.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace dmfrag {
namespace {

constexpr size_t kMaxListedNames = 20;
// Longer texts are no misspelt names, and the comparison is quadratic.
constexpr size_t kMaxNameBytes = 64;

// Optimal string alignment distance (Damerau 1964, restricted).
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, above[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = above;
    above = row;
  }
  return above[b.size()];
}

}  // namespace

std::optional<std::string> NearestName(std::string_view written, const std::vector<std::string>& names) {
  if (written.empty() || written.size() > kMaxNameBytes) return std::nullopt;
  std::optional<std::string> nearest;
  size_t fewest = 0;
  for (const std::string& name : names) {
    const size_t edits = EditDistance(written, name);
    const size_t allowed = std::max<size_t>(1, name.size() / 3);
    if (edits > allowed || (nearest.has_value() && edits >= fewest)) continue;
    nearest = name;
    fewest = edits;
  }
  return nearest;
}

std::string AllowedNames(std::string_view written, const std::vector<std::string>& names) {
  const size_t listed = std::min(names.size(), kMaxListedNames);
  std::string text = absl::StrCat("allowed: ", absl::StrJoin(names.begin(), names.begin() + listed, ", "));
  if (listed < names.size()) absl::StrAppend(&text, ", and ", names.size() - listed, " more");
  if (const auto nearest = NearestName(written, names)) absl::StrAppend(&text, " (did you mean \"", *nearest, "\"?)");
  return text;
}

}  // namespace dmfrag
