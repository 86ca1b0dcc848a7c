#include "client/sweep/quantity.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <span>

#include "absl/strings/str_cat.h"
#include "client/sweep/source_node.h"

namespace dmfrag::client {
namespace {

struct UnitName {
  std::string_view name;
  uint64_t factor;
};

// Ascending, so that a search from the end finds the largest.
constexpr std::array<UnitName, 5> kSizeUnits = {
    {{"B", 1}, {"KiB", 1ull << 10}, {"MiB", 1ull << 20}, {"GiB", 1ull << 30}, {"TiB", 1ull << 40}}};
constexpr std::array<UnitName, 6> kDurationUnits = {
    {{"us", 1}, {"ms", 1'000}, {"s", 1'000'000}, {"m", 60'000'000}, {"h", 3'600'000'000}, {"d", 86'400'000'000}}};

constexpr std::string_view kSizeForm = "write a whole number and B, KiB, MiB, GiB or TiB, e.g. 4GiB";
constexpr std::string_view kDurationForm = "write a whole number and us, ms, s, m, h or d, e.g. 20ms";
constexpr std::string_view kThousandthsForm = "write a number with at most three decimal places, e.g. 1.5";
constexpr std::string_view kCountForm = "write a whole number, e.g. 512 or 0x200";

absl::Status Wrong(std::string_view text, std::string_view why, std::string_view form) {
  return absl::InvalidArgumentError(absl::StrCat(Shown(text), " ", std::string(why), "; ", std::string(form)));
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// "4G", "4gb", "4gib": what people write for a unit of `units`; empty if it is none of them.
std::string_view MeantUnit(std::string_view written, std::span<const UnitName> units) {
  if (written.empty()) return {};
  for (const UnitName& unit : units) {
    if (Lower(unit.name.front()) != Lower(written.front())) continue;
    if (unit.name.size() == 3 && (written.size() == 1 || Lower(written.back()) == 'b')) return unit.name;
    if (written.size() == 1 && unit.name.size() == 1) return unit.name;
  }
  if (written == "sec" || written == "seconds" || written == "second") return "s";
  if (written == "min" || written == "minutes" || written == "minute") return "m";
  return {};
}

absl::StatusOr<uint64_t> ParseDigits(std::string_view digits, int base, std::string_view text, std::string_view form) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error == std::errc::result_out_of_range) return Wrong(text, "is too large", form);
  if (error != std::errc() || end != digits.data() + digits.size()) return Wrong(text, "is no number", form);
  return value;
}

absl::StatusOr<uint64_t> ParseQuantity(std::string_view text, std::span<const UnitName> units, std::string_view form) {
  if (text.starts_with('-')) return Wrong(text, "is negative", form);
  size_t digits = 0;
  while (digits < text.size() && IsDigit(text[digits])) ++digits;
  if (digits == 0) return Wrong(text, "is no number", form);
  if (digits < text.size() && text[digits] == '.') return Wrong(text, "is no whole number", form);
  absl::StatusOr<uint64_t> value = ParseDigits(text.substr(0, digits), 10, text, form);
  if (!value.ok()) return value;
  std::string_view written = text.substr(digits);
  if (written.starts_with(' ')) written.remove_prefix(1);
  if (written.empty()) return *value == 0 ? value : Wrong(text, "has no unit", form);
  for (const UnitName& unit : units) {
    if (written != unit.name) continue;
    uint64_t product = 0;
    if (__builtin_mul_overflow(*value, unit.factor, &product)) return Wrong(text, "is too large", form);
    return product;
  }
  std::string remedy(form);
  if (const std::string_view meant = MeantUnit(written, units); !meant.empty()) {
    absl::StrAppend(&remedy, " (did you mean \"", *value, std::string(meant), "\"?)");
  }
  return Wrong(text, absl::StrCat("has the unknown unit ", Shown(written)), remedy);
}

std::string FormatQuantity(uint64_t value, std::span<const UnitName> units) {
  for (size_t i = units.size(); i-- > 1;) {
    if (value != 0 && value % units[i].factor == 0) {
      return absl::StrCat(value / units[i].factor, " ", std::string(units[i].name));
    }
  }
  return absl::StrCat(value, " ", std::string(units[0].name));
}

}  // namespace

absl::StatusOr<uint64_t> ParseSize(std::string_view text) { return ParseQuantity(text, kSizeUnits, kSizeForm); }

absl::StatusOr<uint64_t> ParseDuration(std::string_view text) {
  return ParseQuantity(text, kDurationUnits, kDurationForm);
}

absl::StatusOr<uint64_t> ParseCount(std::string_view text) {
  if (text.starts_with('-')) return Wrong(text, "is negative", kCountForm);
  if (text.starts_with("0x") || text.starts_with("0X")) return ParseDigits(text.substr(2), 16, text, kCountForm);
  return ParseDigits(text, 10, text, kCountForm);
}

absl::StatusOr<uint64_t> ParseThousandths(std::string_view text) {
  constexpr size_t kPlaces = 3;
  if (text.starts_with('-')) return Wrong(text, "is negative", kThousandthsForm);
  const size_t point = text.find('.');
  const std::string_view decimals = point == std::string_view::npos ? "" : text.substr(point + 1);
  if (point != std::string_view::npos && decimals.empty()) return Wrong(text, "is no number", kThousandthsForm);
  if (decimals.size() > kPlaces) return Wrong(text, "has more than three decimal places", kThousandthsForm);
  absl::StatusOr<uint64_t> whole = ParseDigits(text.substr(0, point), 10, text, kThousandthsForm);
  if (!whole.ok()) return whole;
  std::string padded(decimals);
  padded.resize(kPlaces, '0');
  const absl::StatusOr<uint64_t> rest = ParseDigits(padded, 10, text, kThousandthsForm);
  if (!rest.ok()) return rest;
  uint64_t value = 0;
  if (__builtin_mul_overflow(*whole, 1000, &value) || __builtin_add_overflow(value, *rest, &value)) {
    return Wrong(text, "is too large", kThousandthsForm);
  }
  return value;
}

std::string FormatSize(uint64_t bytes) { return FormatQuantity(bytes, kSizeUnits); }

std::string FormatDuration(uint64_t microseconds) { return FormatQuantity(microseconds, kDurationUnits); }

}  // namespace dmfrag::client
