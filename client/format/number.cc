#include "client/format/number.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace dmfrag::client {
namespace {

constexpr int kMostDecimals = 6;
constexpr int kDigitsOfHalfWidth = 2;

// Decimals that show kDigitsOfHalfWidth digits of `half_width`.
int DecimalsFor(double half_width) {
  if (half_width <= 0 || !std::isfinite(half_width)) return 0;
  const int leading = static_cast<int>(std::floor(std::log10(half_width)));
  return std::clamp(kDigitsOfHalfWidth - 1 - leading, 0, kMostDecimals);
}

bool IsWhole(double value) { return std::floor(value) == value; }

}  // namespace

std::string FormatMean(const Sample& sample) {
  if (sample.size() == 0) return "-";
  const std::optional<double> half_width = sample.HalfWidth95();
  const double mean = sample.mean();
  if (!half_width.has_value()) return absl::StrFormat("%.*f", IsWhole(mean) ? 0 : 2, mean);
  if (*half_width == 0) return absl::StrFormat("%.*f ± 0", IsWhole(mean) ? 0 : 2, mean);
  const int decimals = DecimalsFor(*half_width);
  return absl::StrFormat("%.*f ± %.*f", decimals, mean, decimals, *half_width);
}

std::string FormatExact(double value) {
  char buffer[32];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return error == std::errc() ? std::string(buffer, end) : std::string();
}

std::string FormatCount(int64_t count) {
  std::string digits = absl::StrCat(count);
  const size_t sign = count < 0 ? 1 : 0;
  for (size_t place = digits.size(); place > sign + 3;) {
    place -= 3;
    digits.insert(place, ",");
  }
  return digits;
}

std::string FormatSpan(absl::Duration span) {
  const int64_t seconds = absl::ToInt64Seconds(span + absl::Milliseconds(500));
  if (seconds < 60) return absl::StrCat(seconds, " s");
  if (seconds < 3600) return absl::StrCat(seconds / 60, " min ", seconds % 60, " s");
  return absl::StrCat(seconds / 3600, " h ", seconds / 60 % 60, " min");
}

}  // namespace dmfrag::client
