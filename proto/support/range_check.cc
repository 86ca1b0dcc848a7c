#include "proto/support/range_check.h"

#include "absl/strings/str_cat.h"

namespace dmfrag {

namespace {

using Format = std::string (*)(uint64_t);

std::string FormatPlain(uint64_t value) { return absl::StrCat(value); }

absl::Status CheckFormatted(const std::string& path, uint64_t value, uint64_t low, uint64_t high, Format format) {
  if (value >= low && value <= high) return absl::OkStatus();
  return WrongField(path,
                    absl::StrCat(format(value), " is out of range; allowed are ", format(low), " to ", format(high)));
}

}  // namespace

absl::Status WrongField(const std::string& path, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", what));
}

absl::Status CheckRange(const std::string& path, uint64_t value, uint64_t low, uint64_t high) {
  return CheckFormatted(path, value, low, high, FormatPlain);
}

absl::Status CheckThousandths(const std::string& path, uint64_t value, uint64_t low, uint64_t high) {
  return CheckFormatted(path, value, low, high, FormatThousandths);
}

absl::Status CheckMicroseconds(const std::string& path, uint64_t value, uint64_t low, uint64_t high) {
  return CheckFormatted(path, value, low, high, FormatMicroseconds);
}

std::string FormatMicroseconds(uint64_t microseconds) {
  struct Unit {
    const char* name;
    uint64_t us;
  };
  constexpr Unit kUnits[] = {{"d", 86400000000}, {"h", 3600000000}, {"m", 60000000}, {"s", 1000000}, {"ms", 1000}};
  for (const Unit& unit : kUnits) {
    if (microseconds != 0 && microseconds % unit.us == 0) return absl::StrCat(microseconds / unit.us, unit.name);
  }
  return absl::StrCat(microseconds, "us");
}

std::string FormatThousandths(uint64_t thousandths) {
  std::string text = absl::StrCat(thousandths / 1000);
  if (thousandths % 1000 == 0) return text;
  absl::StrAppend(&text, ".", absl::Dec(thousandths % 1000, absl::kZeroPad3));
  while (text.back() == '0') text.pop_back();
  return text;
}

}  // namespace dmfrag
