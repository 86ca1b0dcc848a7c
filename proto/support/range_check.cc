#include "proto/support/range_check.h"

#include "absl/strings/str_cat.h"

namespace dmfrag {

absl::Status WrongField(const std::string& path, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", what));
}

absl::Status CheckRange(const std::string& path, uint64_t value, uint64_t low, uint64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return WrongField(path, absl::StrCat(value, " is out of range; allowed are ", low, " to ", high));
}

absl::Status CheckThousandths(const std::string& path, uint64_t value, uint64_t low, uint64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return WrongField(path, absl::StrCat(FormatThousandths(value), " is out of range; allowed are ",
                                       FormatThousandths(low), " to ", FormatThousandths(high)));
}

std::string FormatThousandths(uint64_t thousandths) {
  std::string text = absl::StrCat(thousandths / 1000);
  if (thousandths % 1000 == 0) return text;
  absl::StrAppend(&text, ".", absl::Dec(thousandths % 1000, absl::kZeroPad3));
  while (text.back() == '0') text.pop_back();
  return text;
}

}  // namespace dmfrag
